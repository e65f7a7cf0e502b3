"""How the independent runs of an experiment are made: one after another, or by Ray.

Each engine is a module with one function ``make_all(jobs, settings)``. It makes all runs, come
what may, and says how each of them went.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines.jobs import Job, missing_jobs, raise_failures, run_names
from fewshot_lib.experiments.engines.settings import engine_settings
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
        RuntimeError: runs failed for another reason.
    """
    how = engine_settings(engine=engine, **settings)
    specs = list(specs)
    names = run_names(specs)
    jobs = [Job(name, spec, episodes) for name, spec in zip(names, specs, strict=True)]
    if todo := missing_jobs(jobs):
        module = import_module(f"fewshot_lib.experiments.engines.{how.engine}")
        raise_failures(todo, module.make_all(todo, how))
        if run_names(specs) != names:
            raise InputError(
                "the storage has runs of images with the same names and sizes but other content: "
                "name another storage"
            )
    return names
