"""Parameter sets that refuse what they do not know, in one line."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fewshot_lib.errors import InputError, did_you_mean


class Params(BaseModel):
    """Base of every parameter set: strict types, no unknown names, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def check(cls, values: dict[str, Any]) -> Self:
        """Validate ``values``.

        Raises:
            InputError: a name is unknown or a value impossible; names it, suggests the nearest.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise InputError(explain(error.errors(), cls)) from None

    @classmethod
    def from_namespace(cls, namespace: dict[str, Any]) -> Self:
        """Pick this class's fields out of a notebook's globals and validate them."""
        return cls.check({k: namespace[k] for k in cls.model_fields if k in namespace})


def explain(errors: list[dict[str, Any]], model: type[Params]) -> str:
    """One line for the first parameter that pydantic finds wrong."""
    error = errors[0]
    name = ".".join(str(part) for part in error["loc"][:1])
    if error["type"] == "extra_forbidden":
        return f"unknown parameter '{name}'{did_you_mean(name, model.model_fields)}"
    if not name:
        return error["msg"].removeprefix("Value error, ")
    # A parameter of two types has one error for each.
    messages = dict.fromkeys(e["msg"] for e in errors if e["loc"][:1] == error["loc"][:1])
    words = " or ".join(m.removeprefix("Value error, ") for m in messages)
    return f"{name}={error['input']!r}: {words}"
