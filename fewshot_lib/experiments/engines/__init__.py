"""How the independent runs of an experiment are made: one after another, or by Ray."""

from collections.abc import Iterable
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines.jobs import attempt, raise_failures, run_names
from fewshot_lib.experiments.engines.settings import engine_settings
from fewshot_lib.experiments.runs import RESULT
from fewshot_lib.files import runs_folder
from fewshot_lib.spec.parameters import Spec

__all__ = ["make_runs"]


def make_runs(
    specs: Iterable[Spec], engine: str | None = None, episodes: int = 0, **settings: Any
) -> list[str]:
    """Have the run of each spec made, if it is not there yet.

    All other runs are finished before a failed one is reported.

    Args:
        engine: ``serial`` or ``ray``; by default what ``FEWSHOT_ENGINE`` says.
        episodes: if not 0, new runs are judged on so many episodes where they are made.
        settings: other fields of ``EngineSettings``; by default what the environment says.

    Returns:
        The name of each spec's folder.

    Raises:
        InputError: an argument is wrong, or runs failed for wrong input.
        OSError: the disk is full.
        RuntimeError: runs failed for another reason.
    """
    how = engine_settings(engine=engine, **settings)
    specs = list(specs)
    names = run_names(specs)
    wanted = dict(zip(names, specs, strict=True))
    todo = {n: s for n, s in wanted.items() if not (runs_folder() / n / RESULT).exists()}
    if not todo:
        return names
    if how.engine == "ray":
        from fewshot_lib.experiments.engines.ray import make_all

        errors = make_all(todo, episodes, how)
    else:
        errors = {name: attempt(name, spec, episodes, how.threads) for name, spec in todo.items()}
    raise_failures(todo, errors)
    if run_names(specs) != names:
        raise InputError(
            "the storage has runs of images with the same names and sizes but other content: "
            "name another storage"
        )
    return names
