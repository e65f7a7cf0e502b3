"""Sweeps: the settings of a YAML file, each trained with one or more seeds, and compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.comparison import other_episodes
from fewshot_lib.experiments.matrix import SeedEvaluations, SeedRuns, run_matrix
from fewshot_lib.experiments.runs import Run, finished_run
from fewshot_lib.files import from_root, spreadsheet_safe
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.words import differing_values, value_text
from fewshot_lib.spec.yaml_text import read_yaml

_WORDS = {"confirmed": "higher", "contradicted": "lower", "undecided": "undecided"}


class _Plan(Params):
    """What a sweep's file may say."""

    base: dict[str, Any] = {}  # the same for all
    grid: dict[str, list[Any]] = {}  # name to values: every combination is a setting
    cases: list[dict[str, Any]] = Field([], alias="list")  # settings one by one
    steps: dict[str, dict[str, Any]] = {}  # name to what it changes in the step before
    seeds: list[int] = []  # each setting is trained with each of them

    def _contradictions(self) -> Iterator[str]:
        if sum(map(bool, (self.grid, self.cases, self.steps))) > 1:
            yield "give only one of grid, list and steps"
        yield from (f"grid: {name} has no values" for name, v in self.grid.items() if not v)
        for name, values in [*self.grid.items(), ("seeds", self.seeds)]:
            if any(value in values[:i] for i, value in enumerate(values)):
                yield f"{name} has a value twice"
        if self.seeds and any("seed" in x for x in [self.grid, *self.cases, *self.steps.values()]):
            yield "give seeds or vary seed, not both"

    def settings(self) -> "Iterator[Setting]":
        """What is asked for, in its order."""
        changed: dict[str, Any] = {}
        for name, changes in self.steps.items():
            changed |= changes
            yield self._setting(changes, changed, name)
        rows = [] if self.steps else product(*self.grid.values())
        for case in self.cases or [dict(zip(self.grid, row, strict=True)) for row in rows]:
            yield self._setting(case, case)

    def _setting(self, changes: dict[str, Any], changed: dict[str, Any], name="") -> "Setting":
        values = self.base | changed
        if isinstance(values.get("data_dir"), str):
            values["data_dir"] = str(from_root(values["data_dir"]).resolve())
        seeds = [{"seed": seed} for seed in self.seeds] or [{}]
        try:
            specs = [Spec.check(values | seed) for seed in seeds]
        except InputError as error:
            raise InputError(f"{_in_words(changes)}{error}") from None
        return Setting(changes, specs, name)


@dataclass(frozen=True)
class Setting:
    """A setting of a sweep.

    Attributes:
        changes: what it changes in the base, or a step in the step before.
        specs: one for each seed.
        name: of a step.
    """

    changes: dict[str, Any]
    specs: list[Spec]
    name: str = ""


def read_settings(path: Path) -> list[Setting]:
    """The settings that a sweep's file asks for, in its order.

    Raises:
        InputError: the file cannot be read, or a parameter is unknown or impossible; names the
            setting.
    """
    try:
        values = read_yaml(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path.name}: expected lines like 'base:', 'grid:', 'list:', 'steps:'")
    try:
        plan = _Plan.check({key: v for key, v in values.items() if v is not None})
        settings = list(plan.settings())
        for place, one in enumerate(settings):
            if one.specs in [other.specs for other in settings[:place]]:
                raise InputError(f"{_in_words(one.changes)}it is there twice")
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    return settings


def _in_words(changes: dict[str, Any]) -> str:
    words = ", ".join(f"{name}={value}" for name, value in changes.items())
    return f"setting {words}: " if words else ""


@dataclass(frozen=True)
class Ranking:
    """What came out of a sweep.

    Attributes:
        settings: best first; steps in their order.
        runs: of each setting.
        evaluations: of these runs, each on the same episodes.
        failed: settings of which a run failed.
        failure: the error that says why.
    """

    settings: list[Setting]
    runs: list[SeedRuns]
    evaluations: list[SeedEvaluations]
    failed: list[Setting]
    failure: Exception | None

    @property
    def steps(self) -> bool:
        """Whether each setting is compared with the one before it, and not with the best."""
        return bool(self.settings[0].name)

    @cached_property
    def varied(self) -> dict[str, list[Any]]:
        """Parameters that are not the same for all: name to a value for each setting."""
        return differing_values([runs.spec for runs in self.runs])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each setting; accuracies and differences from 0 to 1."""
        return pd.DataFrame(map(self._row, range(len(self.runs))))

    def _row(self, place: int) -> dict[str, Any]:
        runs, starts = self.runs[place].seeds, self.runs[place].pretrainings
        gap = self.gap(place)
        validation = Interval.of_seeds([run.accuracy_at(run.result["best_epoch"]) for run in runs])
        return self._parameters(place) | {
            "best_epoch": " ".join(str(run.result["best_epoch"]) for run in runs),
            "val_accuracy": validation.mean,
            "val_ci95": validation.ci95,
            **_accuracy_cells(self.evaluations[place].accuracy),
            "seeds": len(runs),
            "difference": gap.mean if gap else None,
            "difference_ci95": gap.ci95 if gap else None,
            "verdict": _WORDS[gap.verdict()] if gap else "",
            "seconds": sum(run.result["seconds"] for run in [*runs, *starts]),
            "runs": " ".join(run.folder.name for run in runs),
        }

    def gap(self, place: int) -> Interval | None:
        """Paired difference to the best, or to the step before.

        None for the first, and if the two were not judged on the same episodes.
        """
        other = place - 1 if self.steps else 0
        if place == 0 or other_episodes(self.runs[place].first, self.runs[other].first):
            return None
        return self.evaluations[place].minus(self.evaluations[other])

    def _parameters(self, place: int) -> dict[str, Any]:
        return {name: _cell(values[place]) for name, values in self.varied.items()}

    @property
    def runs_table(self) -> pd.DataFrame:
        """One row for each run."""
        return pd.DataFrame(
            self._parameters(place)
            | {"seed": run.spec.seed}
            | {name: run.result[name] for name in ("best_epoch", "val_accuracy", "val_ci95")}
            | _accuracy_cells(evaluation.accuracy)
            | {"seconds": run.result["seconds"], "run": run.folder.name}
            for place, setting in enumerate(self.runs)
            for run, evaluation in zip(setting.seeds, self.evaluations[place].seeds, strict=True)
        )


def rank(settings: Sequence[Setting], n_episodes: int) -> Ranking:
    """Train and judge all settings, with the engine of the environment."""
    specs = {(i, j): s for i, one in enumerate(settings) for j, s in enumerate(one.specs)}
    failed, judged, failure = [], [], None
    try:
        run_matrix(specs, episodes=n_episodes)
    except (InputError, RuntimeError) as error:
        failure = error
    for one in settings:
        runs = tuple(run for spec in one.specs if (run := finished_run(spec)))
        if len(runs) < len(one.specs):
            failed.append(one)
        else:
            # Runs of their own are judged, whose features are let go with them.
            apart = SeedRuns(tuple(Run(run.spec, run.folder) for run in runs))
            judged.append((one, SeedRuns(runs), apart.evaluate(n_episodes)))
    if not any(one.name for one in settings):
        judged.sort(key=lambda found: -found[2].accuracy.mean)
    found = ([x[i] for x in judged] for i in range(3))
    return Ranking(*found, failed, failure)


def _accuracy_cells(accuracy: Interval) -> dict[str, float]:
    return {"accuracy": accuracy.mean, "ci95": accuracy.ci95, "test_episodes": accuracy.n}


def _cell(value: Any) -> Any:
    """A number as it is; anything else as text that no spreadsheet takes for a formula."""
    return value if isinstance(value, int | float) else spreadsheet_safe(value_text(value))
