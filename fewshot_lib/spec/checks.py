"""Parameter sets that refuse what they do not know, in one line."""

from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

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
            return cls(**values)
        except ValidationError as error:
            raise InputError(_explain(error.errors(), cls)) from None

    @classmethod
    def from_namespace(cls, namespace: dict[str, Any]) -> Self:
        """Validate what a notebook's parameters cell assigns; it begins with the first field."""
        return cls.check(given_names(namespace, first=next(iter(cls.model_fields))))

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name].annotation
        kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        takes_text = any(k is str or get_origin(k) is Literal for k in kinds)
        if not isinstance(value, str) or takes_text:
            return value
        try:
            read = None if value == "None" else read_yaml(value, info.field_name, info.field_name)
        except InputError:
            return value
        return read if isinstance(read, int | float | list | None) else value

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        if found := list(self._contradictions()):
            raise ValueError("; ".join(found))
        return self

    def _contradictions(self) -> Iterator[str]:
        """What is wrong with values that are possible one by one: a sentence for each."""
        yield from ()


def _explain(errors: list[dict[str, Any]], model: type[Params]) -> str:
    """One line for all that pydantic finds wrong."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for error in errors:
        by_name.setdefault(".".join(map(str, error["loc"][:1])), []).append(error)
    return "; ".join(_explain_one(name, found, model) for name, found in by_name.items())


def _explain_one(name: str, errors: list[dict[str, Any]], model: type[Params]) -> str:
    if errors[0]["type"] == "extra_forbidden":
        return f"unknown parameter '{name}'{did_you_mean(name, model.model_fields)}"
    # A parameter of two types has one error for each.
    messages = dict.fromkeys(error["msg"].removeprefix("Value error, ") for error in errors)
    words = " or ".join(messages)
    return f"{name}={errors[0]['input']!r}: {words}" if name else words
