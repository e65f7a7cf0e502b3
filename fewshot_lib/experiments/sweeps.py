"""Sweeps: the settings of a YAML file, each trained with one or more seeds, ranked by accuracy."""

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
from fewshot_lib.learning.intervals import Interval, of_intervals, verdict
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.words import differing_values, value_text
from fewshot_lib.spec.yaml_text import read_yaml


class _Plan(Params):
    """What a sweep's file may say."""

    base: dict[str, Any] = {}  # the same for all
    grid: dict[str, list[Any]] = {}  # name to values: every combination is a setting
    cases: list[dict[str, Any]] = Field([], alias="list")  # settings one by one
    seeds: list[int] = []  # each setting is trained with each of them

    def _contradictions(self) -> Iterator[str]:
        if self.grid and self.cases:
            yield "give only one of grid and list"
        yield from (f"grid: {name} has no values" for name, v in self.grid.items() if not v)
        for name, values in [*self.grid.items(), ("seeds", self.seeds)]:
            if any(value in values[:i] for i, value in enumerate(values)):
                yield f"{name} has a value twice"
        if self.seeds and any("seed" in case for case in [self.grid, *self.cases]):
            yield "give seeds or vary seed, not both"


@dataclass(frozen=True)
class Setting:
    """What a setting changes in the base, and the specs of its seeds."""

    changes: dict[str, Any]
    specs: list[Spec]


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
        raise InputError(f"{path.name}: expected lines like 'base:', 'grid:', 'list:', 'seeds:'")
    try:
        plan = _Plan.check({key: v for key, v in values.items() if v is not None})
        rows = product(*plan.grid.values())
        cases = plan.cases or [dict(zip(plan.grid, row, strict=True)) for row in rows]
        settings = [_setting(plan, changes) for changes in cases]
        for place, one in enumerate(settings):
            if one.specs in [other.specs for other in settings[:place]]:
                raise InputError(f"{_in_words(one.changes)}it is there twice")
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    return settings


def _setting(plan: _Plan, changes: dict[str, Any]) -> Setting:
    values = plan.base | changes
    if isinstance(values.get("data_dir"), str):
        values["data_dir"] = str(from_root(values["data_dir"]).resolve())
    seeds = [{"seed": seed} for seed in plan.seeds] or [{}]
    try:
        return Setting(changes, [Spec.check(values | seed) for seed in seeds])
    except InputError as error:
        raise InputError(f"{_in_words(changes)}{error}") from None


def _in_words(changes: dict[str, Any]) -> str:
    words = ", ".join(f"{name}={value}" for name, value in changes.items())
    return f"setting {words}: " if words else ""


@dataclass(frozen=True)
class Ranking:
    """What came out of a sweep.

    Attributes:
        runs: of each setting, best first.
        evaluations: of these runs, each on the same episodes.
        failed: settings of which a run failed.
        failure: the error that says why.
    """

    runs: list[SeedRuns]
    evaluations: list[SeedEvaluations]
    failed: list[Setting]
    failure: Exception | None

    @cached_property
    def varied(self) -> dict[str, list[Any]]:
        """Parameters that are not the same for all: name to a value for each setting."""
        return differing_values([runs.spec for runs in self.runs])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each setting, best first; accuracies and differences from 0 to 1."""
        return pd.DataFrame(map(self._row, range(len(self.runs))))

    def _row(self, place: int) -> dict[str, Any]:
        runs = self.runs[place].seeds
        gap = self.gap(place) if place else None
        validation = of_intervals([run.accuracy_at(run.result["best_epoch"]) for run in runs])
        return self._parameters(place) | {
            "best_epoch": " ".join(str(run.result["best_epoch"]) for run in runs),
            "val_accuracy": validation.mean,
            "val_ci95": validation.ci95,
            **_accuracy_cells(self.evaluations[place].accuracy),
            "seeds": len(runs),
            "difference": gap.mean if gap else None,
            "difference_ci95": gap.ci95 if gap else None,
            "verdict": {"contradicted": "worse"}.get(verdict(gap), "undecided") if gap else "",
            "seconds": sum(run.result["seconds"] for run in runs),
            "runs": " ".join(run.folder.name for run in runs),
        }

    def gap(self, place: int) -> Interval | None:
        """Paired difference to the best; None if the two were not judged on the same episodes."""
        if other_episodes(self.runs[place].first, self.runs[0].first):
            return None
        return self.evaluations[place].minus(self.evaluations[0])

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
            judged.append((SeedRuns(runs), apart.evaluate(n_episodes)))
    judged.sort(key=lambda pair: -pair[1].accuracy.mean)
    return Ranking([runs for runs, _ in judged], [e for _, e in judged], failed, failure)


def _accuracy_cells(accuracy: Interval) -> dict[str, float]:
    return {"accuracy": accuracy.mean, "ci95": accuracy.ci95, "test_episodes": accuracy.n}


def _cell(value: Any) -> Any:
    """A number as it is; anything else as text that no spreadsheet takes for a formula."""
    return value if isinstance(value, int | float) else spreadsheet_safe(value_text(value))
