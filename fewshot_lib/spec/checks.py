"""Parameter sets that refuse what they do not know, in one line."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.spec.namespace import given_names
from fewshot_lib.spec.yaml_text import read_yaml


class Params(BaseModel):
    """Base of every parameter set: strict types, no unknown names, immutable.

    A number, list, boolean or None may be given as text: papermill hands on ``1e-3`` like that.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def check(cls, values: dict[str, Any]) -> Self:
        """Validate ``values``.

        Raises:
            InputError: names are unknown or values impossible; one line names all of them.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(_explain(error, cls)) from None

    @classmethod
    def from_namespace(cls, namespace: dict[str, Any]) -> Self:
        """Validate what a notebook's parameters cell assigns; it begins with the first field."""
        return cls.check(given_names(namespace, first=next(iter(cls.model_fields))))

    @field_validator("*", mode="wrap")
    @classmethod
    def _read_text(cls, value: Any, validate: Callable, info: ValidationInfo) -> Any:
        """Where a text is refused, what it says as YAML counts."""
        try:
            return validate(value)
        except ValidationError:
            if not isinstance(value, str) or not value.strip():
                raise
        name = info.field_name
        read = read_yaml(f"{name}: {value}", "YAML")[name] if value != "None" else None
        return validate(read)

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        if found := list(self._contradictions()):
            raise ValueError("; ".join(found))
        return self

    def _contradictions(self) -> Iterator[str]:
        """What is wrong with values that are possible one by one: a sentence for each."""
        yield from ()


def _explain(error: ValidationError, model: type[Params]) -> str:
    """One line for all that pydantic finds wrong."""
    groups = groupby(error.errors(), lambda e: ".".join(map(str, e["loc"][:1])))
    return "; ".join(_explain_one(name, list(errors), model) for name, errors in groups)


def _explain_one(name: str, errors: list[dict[str, Any]], model: type[Params]) -> str:
    if errors[0]["type"] in ("extra_forbidden", "invalid_key"):
        return f"unknown parameter '{name}'{did_you_mean(name, model.model_fields)}"
    # A parameter of two types has one error for each.
    messages = dict.fromkeys(error["msg"].removeprefix("Value error, ") for error in errors)
    words = " or ".join(messages).replace("a valid string", "a text in quotes")
    return f"{name}={errors[0]['input']!r}: {words}" if name else words
