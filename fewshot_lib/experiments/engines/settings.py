"""How runs are made: arguments of ``run_matrix``, else variables of the environment.

Notebooks ask for their runs without saying how: the command that starts their kernels says it.
"""

import os
from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field

from fewshot_lib.errors import InputError
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import Count, NonNegative

_VARIABLES = {
    "engine": "FEWSHOT_ENGINE",
    "threads": "FEWSHOT_THREADS",
    "gpus": "FEWSHOT_GPUS",
    "address": "RAY_ADDRESS",  # Ray's own
}
_RAY_ONLY = ("gpus", "address")


class EngineSettings(Params):
    """How runs are made; no value of it changes what comes out, but ``threads`` the last bits.

    The sums of a training step are split among threads, so two runs agree to the last bit only if
    they had as many threads. Give ``threads`` to have the same numbers from every engine.
    """

    engine: Literal["serial", "ray"] = "serial"
    threads: Count | None = None  # CPU threads of each run; None: the engine's choice
    gpus: NonNegative | None = None  # ray: of each run, parts of one too; None: 1 if there are any
    address: str | None = Field(None, min_length=1)  # ray: host:port, ray://host:port or auto

    def _contradictions(self) -> Iterator[str]:
        for name in _RAY_ONLY:
            if self.engine != "ray" and getattr(self, name) is not None:
                yield f"only engine 'ray' uses {name}: leave it out"

    @classmethod
    def find(cls, **given: Any) -> Self:
        """What is given (not None), the rest from the environment, as far as the engine uses it.

        Raises:
            InputError: a value is impossible, or the engine does not use one that is given.
        """
        given = {name: value for name, value in given.items() if value is not None}
        found = {name: text for name, key in _VARIABLES.items() if (text := os.environ.get(key))}
        if (found | given).get("engine") != "ray":
            found = {name: text for name, text in found.items() if name not in _RAY_ONLY}
        try:
            return cls.check(found | given)
        except InputError as error:
            name, _, rest = str(error).partition("=")
            if name in given or name not in found:
                raise
            raise InputError(f"{_VARIABLES[name]}={rest}") from None

    def as_environment(self) -> dict[str, str]:
        """Variables that say the same to processes that are started with them."""
        values = self.model_dump(exclude_none=True)
        return {_VARIABLES[name]: str(value) for name, value in values.items()}
