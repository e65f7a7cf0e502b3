"""What a sweep's YAML file asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.files import from_root
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import Count, Positive, Spec
from fewshot_lib.spec.yaml_text import read_yaml

_FIELDS = ("base", "grid", "list", "sample", "trials", "batch", "seeds")


class Range(Params):
    """Numbers to sample from: whole ones if both ends are."""

    low: int | float
    high: int | float
    log: bool = False  # as many between 1 and 10 as between 10 and 100
    step: Positive | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a range with log: true must begin above 0")
        if self.log and self.step:
            raise ValueError("give log or step, not both")
        if self.is_whole and self.step and self.step != int(self.step):
            raise ValueError(f"whole numbers need a whole step, not {self.step}")
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


class _SweepFile(Params):
    """The file's entries."""

    base: dict[str, Any] = {}  # the same for all
    grid: dict[str, list[Any]] = {}  # name to values: every combination is a setting
    cases: list[dict[str, Any]] = Field([], alias="list")  # settings one by one
    sample: dict[str, Any] = {}  # name to a range or to choices
    trials: Count | None = None  # settings to sample
    batch: Count = 4  # sampled settings that are trained at a time
    seeds: list[int] = []  # each setting is trained with each of them

    @model_validator(mode="after")
    def _varies_something(self) -> "_SweepFile":
        if sum(map(bool, (self.grid, self.cases, self.sample))) > 1:
            raise ValueError("give only one of grid, list and sample")
        if bool(self.sample) != (self.trials is not None):
            raise ValueError("sample: and trials: (how many settings to try) go together")
        for name, values in [*self.grid.items(), ("seeds", self.seeds)]:
            if name != "seeds" and not values:
                raise ValueError(f"grid: {name} has no values")
            _require_different(name, values)
        if self.seeds and any("seed" in case for case in [self.grid, self.sample, *self.cases]):
            raise ValueError("give seeds or vary seed, not both")
        return self

    def changes(self) -> list[dict[str, Any]]:
        """What is changed in each setting, in the file's order; nothing if it is sampled."""
        if self.cases or self.sample:
            return self.cases
        names = list(self.grid)
        return [dict(zip(names, row, strict=True)) for row in product(*self.grid.values())]


def _require_different(name: str, values: list[Any]) -> None:
    if any(value in values[:i] for i, value in enumerate(values)):
        raise ValueError(f"{name} has a value twice")


@dataclass(frozen=True)
class Setting:
    """One setting and the specs of its seeds."""

    changes: dict[str, Any]
    specs: list[Spec]


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        name: of the file; errors begin with it.
        file: its entries.
    """

    name: str
    file: _SweepFile

    @cached_property
    def settings(self) -> list[Setting]:
        """All of them; none if they are sampled."""
        return [self.setting(changes) for changes in self.file.changes()]

    @cached_property
    def ranges(self) -> dict[str, Range | list[Any]]:
        """What to sample from, by parameter; a list has choices."""
        return {name: _range(name, value, self.name) for name, value in self.file.sample.items()}

    def setting(self, changes: dict[str, Any]) -> Setting:
        """The setting that changes the base so.

        Raises:
            InputError: a parameter is unknown or impossible; names the setting.
        """
        values = self.file.base | changes
        if not all(isinstance(key, str) for key in values):
            raise InputError(f"{self.name}: parameter names must be text")
        if isinstance(values.get("data_dir"), str):
            values["data_dir"] = str(from_root(values["data_dir"]).resolve())
        seeds = [{"seed": seed} for seed in self.file.seeds] or [{}]
        try:
            return Setting(changes, [Spec.check(values | seed) for seed in seeds])
        except InputError as error:
            raise InputError(f"{self.name}{_in_words(changes)}: {error}") from None


def read_plan(path: Path) -> Plan:
    """What a sweep's file asks for.

    Raises:
        InputError: the file cannot be read, or a parameter is unknown or impossible; names the
            setting. Or settings are to be sampled and Optuna is not installed.
    """
    plan = Plan(path.name, _read_file(path))
    if plan.file.sample:
        _require_optuna()
    for changes in _corners(plan.ranges):
        plan.setting(changes)
    specs = [one.specs[0] for one in plan.settings]
    for place, one in enumerate(plan.settings):
        if specs[place] in specs[:place]:
            raise InputError(f"{plan.name}: two settings are the same{_in_words(one.changes)}")
    return plan


def _read_file(path: Path) -> _SweepFile:
    try:
        values = read_yaml(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path.name}: expected lines like 'base:', 'grid:', 'list:', 'seeds:'")
    if odd := [key for key in values if key not in _FIELDS]:
        raise InputError(f"{path.name}: unknown '{odd[0]}'{did_you_mean(odd[0], _FIELDS)}")
    try:
        return _SweepFile.check({key: v for key, v in values.items() if v is not None})
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None


def _in_words(changes: Mapping[str, Any]) -> str:
    words = ", ".join(f"{name}={value}" for name, value in changes.items())
    return f", setting {words}" if words else ""


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise InputError("sample: needs Optuna: pip install 'fewshot-report[search]'") from None


def _range(name: str, value: Any, origin: str) -> Range | list[Any]:
    """A range, or a list of choices."""
    try:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return Range.check(value)
        if isinstance(value, list) and value:
            _require_different("it", value)
            return value
        raise InputError("expected a list of choices, or {low: …, high: …}")
    except ValueError as error:  # an InputError is one
        words = str(error).replace("\n", " ")
        raise InputError(f"{origin}: sample: {name}: {words}") from None


def _corners(ranges: Mapping[str, Range | list[Any]]) -> list[dict[str, Any]]:
    """Settings that are tried for being possible: each end of each range, the rest at its first."""
    ends = {name: [r.low, r.high] if isinstance(r, Range) else r for name, r in ranges.items()}
    first = {name: values[0] for name, values in ends.items()}
    return [first | {name: value} for name, values in ends.items() for value in values]
