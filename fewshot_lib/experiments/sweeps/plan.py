"""What a sweep's YAML file asks for."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import Field

from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import Count, Positive, Spec
from fewshot_lib.spec.yaml_text import read_yaml


class Range(Params):
    """Numbers to sample from: whole ones if both ends are."""

    low: int | float
    high: int | float
    log: bool = False  # as many between 1 and 10 as between 10 and 100
    step: Positive | None = None

    def _contradictions(self) -> Iterator[str]:
        if not self.low < self.high:
            yield f"low must be less than high, not {self.low} and {self.high}"
        if self.log and self.low <= 0:
            yield "a range with log: true must begin above 0"
        if self.log and self.step:
            yield "give log or step, not both"
        if self.is_whole and self.step and self.step != int(self.step):
            yield f"whole numbers need a whole step, not {self.step}"

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Setting:
    """One setting and the specs of its seeds."""

    changes: dict[str, Any]
    specs: list[Spec]


class Plan(Params):
    """The file's entries, and the settings that they ask for."""

    base: dict[str, Any] = {}  # the same for all
    grid: dict[str, list[Any]] = {}  # name to values: every combination is a setting
    cases: list[dict[str, Any]] = Field([], alias="list")  # settings one by one
    sample: dict[str, Any] = {}  # name to a range or to choices
    trials: Count | None = None  # settings to sample
    batch: Count = 4  # sampled settings that are trained at a time
    seeds: list[int] = []  # each setting is trained with each of them

    def _contradictions(self) -> Iterator[str]:
        if sum(map(bool, (self.grid, self.cases, self.sample))) > 1:
            yield "give only one of grid, list and sample"
        if bool(self.sample) != (self.trials is not None):
            yield "sample: and trials: (how many settings to try) go together"
        yield from (f"grid: {name} has no values" for name, v in self.grid.items() if not v)
        choices = self.grid | {n: v for n, v in self.sample.items() if isinstance(v, list)}
        for name, values in [*choices.items(), ("seeds", self.seeds)]:
            if any(value in values[:i] for i, value in enumerate(values)):
                yield f"{name} has a value twice"
        if self.seeds and any("seed" in case for case in [self.grid, self.sample, *self.cases]):
            yield "give seeds or vary seed, not both"

    @cached_property
    def settings(self) -> list[Setting]:
        """All of them, in the file's order; none if they are sampled."""
        if self.cases or self.sample:
            return [self.setting(changes) for changes in self.cases]
        rows = product(*self.grid.values())
        return [self.setting(dict(zip(self.grid, row, strict=True))) for row in rows]

    @cached_property
    def ranges(self) -> dict[str, Range | list[Any]]:
        """What to sample from, by parameter; a list has choices."""
        return {name: _range(name, value) for name, value in self.sample.items()}

    def setting(self, changes: dict[str, Any]) -> Setting:
        """The setting that changes the base so.

        Raises:
            InputError: a parameter is unknown or impossible; names the setting.
        """
        values = self.base | changes
        if isinstance(values.get("data_dir"), str):
            values["data_dir"] = str(from_root(values["data_dir"]).resolve())
        seeds = [{"seed": seed} for seed in self.seeds] or [{}]
        try:
            return Setting(changes, [Spec.check(values | seed) for seed in seeds])
        except InputError as error:
            raise InputError(f"{_in_words(changes)}{error}") from None


def read_plan(path: Path) -> Plan:
    """What a sweep's file asks for.

    Raises:
        InputError: the file cannot be read, or a parameter is unknown or impossible; names the
            setting. Or settings are to be sampled and Optuna is not installed.
    """
    try:
        values = read_yaml(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path.name}: expected lines like 'base:', 'grid:', 'list:', 'seeds:'")
    try:
        plan = Plan.check({key: v for key, v in values.items() if v is not None})
        _check_settings(plan)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    return plan


def _check_settings(plan: Plan) -> None:
    if plan.sample and not find_spec("optuna"):
        raise InputError("sample: needs Optuna: pip install 'fewshot-report[search]'")
    for changes in _corners(plan.ranges):
        plan.setting(changes)
    specs = [one.specs[0] for one in plan.settings]
    for place, one in enumerate(plan.settings):
        if specs[place] in specs[:place]:
            raise InputError(f"{_in_words(one.changes)}it is there twice")


def _in_words(changes: dict[str, Any]) -> str:
    words = ", ".join(f"{name}={value}" for name, value in changes.items())
    return f"setting {words}: " if words else ""


def _range(name: str, value: Any) -> Range | list[Any]:
    """A range, or a list of choices."""
    if isinstance(value, list) and value:
        return value
    if not isinstance(value, dict):
        raise InputError(f"sample: {name}: expected a list of choices, or {{low: …, high: …}}")
    try:
        return Range.check(value)
    except InputError as error:
        raise InputError(f"sample: {name}: {error}") from None


def _corners(ranges: dict[str, Range | list[Any]]) -> list[dict[str, Any]]:
    """Settings that are tried for being possible: each end of each range, the rest at its first."""
    ends = {name: [r.low, r.high] if isinstance(r, Range) else r for name, r in ranges.items()}
    first = {name: values[0] for name, values in ends.items()}
    return [first | {name: value} for name, values in ends.items() for value in values]
