"""Which engine makes the runs, and with what: arguments, or variables of the environment.

Notebooks ask for their runs without saying how, so that the command that runs them can say it.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import Count, NonNegative

USES = {
    "serial": {"threads"},
    "process": {"threads", "workers"},
    "ray": {"threads", "gpus", "address", "storage"},
}
VARIABLES = {
    "engine": "FEWSHOT_ENGINE",
    "workers": "FEWSHOT_WORKERS",
    "threads": "FEWSHOT_THREADS",
    "gpus": "FEWSHOT_GPUS",
    "address": "RAY_ADDRESS",  # Ray's own
    "storage": "FEWSHOT_STORAGE",
}


class EngineParams(Params):
    """How runs are made; no value of it changes what comes out, but ``threads`` the last bits.

    The sums of a training step are split among threads, so two runs agree to the last bit only if
    they had as many threads. Give ``threads`` to have the same numbers from every engine.
    """

    engine: str = "serial"
    workers: Count | None = None  # process: runs at a time; None: as many as GPUs, else as fit
    threads: Count | None = None  # CPU threads of each run; None: the engine's choice
    gpus: NonNegative | None = None  # ray: of each run, parts of one too; None: 1 if there are any
    address: str | None = Field(None, min_length=1)  # ray: host:port, ray://host:port or auto
    storage: str | None = Field(None, min_length=1)  # ray: where runs are kept if not shared

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.engine not in USES:
            hint = did_you_mean(self.engine, USES)
            raise ValueError(f"engine '{self.engine}' is not known{hint}")
        for name in VARIABLES.keys() - {"engine"} - USES[self.engine]:
            if getattr(self, name) is not None:
                raise ValueError(f"engine '{self.engine}' does not use {name}: leave it out")
        return self


def engine_params(engine: str | None = None, **given: Any) -> EngineParams:
    """What is given, the rest from the environment, as far as the engine uses it.

    Raises:
        InputError: a value is impossible, or the engine does not use one that is given.
    """
    engine = engine or os.environ.get(VARIABLES["engine"]) or "serial"
    values = {name: read(name) for name in USES.get(engine, ())}
    return EngineParams.check(values | given | {"engine": engine})


def read(name: str) -> Any:
    """The value of a parameter's environment variable, a number where it looks like one."""
    text = os.environ.get(VARIABLES[name]) or None
    if text is None or name in ("address", "storage"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise InputError(f"{VARIABLES[name]}={text}: expected a number") from None


def as_environment(given: Mapping[str, Any]) -> dict[str, str]:
    """Variables that say what is given here, for this process and those it starts."""
    return {VARIABLES[name]: str(value) for name, value in given.items() if value is not None}


@contextlib.contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """These variables inside the block, None for none; as they were after it."""
    before = {name: os.environ.get(name) for name in values}
    put(values)
    try:
        yield
    finally:
        put(before)


def put(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
