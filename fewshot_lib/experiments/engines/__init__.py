"""How the independent runs of an experiment are made: here, on local processes, or on a cluster.

Each engine is a module with one function ``make_all(jobs, params)``. It makes all runs, come what
may, and says how each of them went.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from fewshot_lib.experiments.engines.jobs import Job, missing, names_of, raise_failures
from fewshot_lib.experiments.engines.params import EngineParams, as_environment, engine_params
from fewshot_lib.spec.parameters import Spec

__all__ = ["EngineParams", "as_environment", "engine_params", "make_runs"]


def make_runs(
    specs: Iterable[Spec], engine: str | None = None, episodes: int = 0, **given: Any
) -> list[str]:
    """Have the run of each spec made, if it is not there yet.

    All other runs are finished before a failed one is reported.

    Args:
        engine: ``serial``, ``process`` or ``ray``; by default what ``FEWSHOT_ENGINE`` says.
        episodes: if not 0, new runs are judged on so many episodes where they are made.
        given: other fields of ``EngineParams``.

    Returns:
        The name of each spec's folder.

    Raises:
        InputError: an argument is wrong, or runs failed for wrong input.
        RuntimeError: runs failed for another reason.
    """
    params = engine_params(engine, **given)
    specs = list(specs)
    names = names_of(specs)
    jobs = [Job(name, spec, episodes) for name, spec in zip(names, specs, strict=True)]
    if todo := missing(jobs):
        module = import_module(f"fewshot_lib.experiments.engines.{params.engine}")
        raise_failures(todo, module.make_all(todo, params))
    return names
