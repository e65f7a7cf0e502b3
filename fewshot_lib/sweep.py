"""Many settings, each trained with one or more seeds, ranked by accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, model_validator

from fewshot_lib.comparison import differing, episode_shape, images_of
from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.evaluation import Evaluation, Interval
from fewshot_lib.experiments import Run, finished_run, run_matrix
from fewshot_lib.findings import verdict
from fewshot_lib.paths import project_root
from fewshot_lib.report.params import absolute, read_yaml
from fewshot_lib.report.render import shown
from fewshot_lib.seeds import difference_over_seeds, over_seeds
from fewshot_lib.spec import Params, Spec
from fewshot_lib.spreadsheets import harmless


class SweepParams(Params):
    """What a sweep's YAML file says."""

    base: dict[str, Any] = {}  # the same for all
    grid: dict[str, list[Any]] = {}  # name to values: every combination is a setting
    cases: list[dict[str, Any]] = Field([], alias="list")  # settings one by one
    seeds: list[int] = []  # each setting is trained with each of them

    @model_validator(mode="after")
    def _varies_something(self) -> "SweepParams":
        if self.grid and self.cases:
            raise ValueError("give grid or list, not both")
        for name, values in [*self.grid.items(), ("seeds", self.seeds)]:
            if name != "seeds" and not values:
                raise ValueError(f"grid: {name} has no values")
            if any(value in values[:i] for i, value in enumerate(values)):
                raise ValueError(f"{name} has a value twice")
        if self.seeds and any("seed" in case for case in [self.grid, *self.cases]):
            raise ValueError("give seeds or vary seed, not both")
        return self

    def settings(self) -> list[dict[str, Any]]:
        """What is changed in each setting, in the order of the file."""
        if self.cases:
            return list(self.cases)
        names = list(self.grid)
        return [dict(zip(names, row, strict=True)) for row in product(*self.grid.values())]


@dataclass(frozen=True)
class Setting:
    """One setting and the specs of its seeds."""

    changes: dict[str, Any]
    specs: list[Spec]


def read_sweep(path: Path) -> list[Setting]:
    """The settings of a sweep's file.

    Raises:
        InputError: the file cannot be read, or a parameter is unknown or impossible; names the
            setting.
    """
    try:
        values = read_yaml(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path.name}: expected lines like 'base:', 'grid:', 'list:', 'seeds:'")
    if odd := [key for key in values if key not in FIELDS]:
        raise InputError(f"{path.name}: unknown '{odd[0]}'{did_you_mean(odd[0], FIELDS)}")
    try:
        params = SweepParams.check({key: v for key, v in values.items() if v is not None})
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    return distinct([setting(params, changes, path.name) for changes in params.settings()], path)


FIELDS = ("base", "grid", "list", "seeds")


def setting(params: SweepParams, changes: dict[str, Any], origin: str) -> Setting:
    values = params.base | changes
    if not all(isinstance(key, str) for key in values):
        raise InputError(f"{origin}: parameter names must be text")
    if isinstance(values.get("data_dir"), str):
        values["data_dir"] = absolute(values["data_dir"], project_root())
    seeds = [{"seed": seed} for seed in params.seeds] or [{}]
    try:
        return Setting(changes, [Spec.check(values | seed) for seed in seeds])
    except InputError as error:
        raise InputError(f"{origin}{in_words(changes)}: {error}") from None


def in_words(changes: Mapping[str, Any]) -> str:
    words = ", ".join(f"{name}={value}" for name, value in changes.items())
    return f", setting {words}" if words else ""


def distinct(settings: list[Setting], path: Path) -> list[Setting]:
    """The settings; raises an InputError if two are the same."""
    seen: dict[str, dict[str, Any]] = {}
    for one in settings:
        key = one.specs[0].model_dump_json()
        if key in seen:
            raise InputError(f"{path.name}: two settings are the same{in_words(one.changes)}")
        seen[key] = one.changes
    return settings


@dataclass(frozen=True)
class Result:
    """What came out for one setting.

    Attributes:
        runs: one for each seed.
        evaluations: of these runs, on the same episodes.
    """

    setting: Setting
    runs: list[Run]
    evaluations: list[Evaluation]

    @property
    def accuracy(self) -> Interval:
        return over_seeds(self.evaluations)

    @property
    def validation(self) -> Interval:
        """Of the best epochs: a run's own interval, or their mean with the widest of the runs."""
        results = [run.result for run in self.runs]
        mean = sum(result["val_accuracy"] for result in results) / len(results)
        widest = max(result["val_ci95"] for result in results)
        return Interval(mean, widest, self.runs[0].spec.episodes_val)

    def minus(self, other: "Result") -> Interval | None:
        """Paired difference; None if the two were not judged on the same episodes."""
        a, b = self.runs[0], other.runs[0]
        if episode_shape(a.spec) != episode_shape(b.spec) or images_of(a) != images_of(b):
            return None
        return difference_over_seeds(self.evaluations, other.evaluations)


def sweep(
    settings: Sequence[Setting], n_episodes: int
) -> tuple[list[Result], list[Setting], Exception | None]:
    """Train and judge all settings, with the engine of the environment.

    Returns:
        The results, best first; the settings of which a run failed; the error that says why.
    """
    specs = {(i, j): s for i, one in enumerate(settings) for j, s in enumerate(one.specs)}
    failure = None
    try:
        run_matrix(specs, episodes=n_episodes)
    except (InputError, RuntimeError) as error:
        failure = error
    results, failed = [], []
    for one in settings:
        runs = [finished_run(spec) for spec in one.specs]
        if any(run is None for run in runs):
            failed.append(one)
            continue
        # Runs of their own, whose features are let go with them.
        judged = [Run(run.spec, run.folder).evaluate(n_episodes) for run in runs]
        results.append(Result(one, runs, judged))
    return sorted(results, key=lambda r: -r.accuracy.mean), failed, failure


def varied(results: Sequence[Result]) -> dict[str, list[Any]]:
    """Parameters that are not the same for all settings: name to a value for each result."""
    return differing([result.runs[0].spec for result in results])


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row for each setting, best first; accuracies and differences from 0 to 1."""
    columns = varied(results)
    rows = []
    for place, result in enumerate(results):
        gap = result.minus(results[0]) if place else None
        rows.append(
            {name: plain(values[place]) for name, values in columns.items()}
            | {
                "best_epoch": listed(run.result["best_epoch"] for run in result.runs),
                "val_accuracy": result.validation.mean,
                "val_ci95": result.validation.ci95,
                "accuracy": result.accuracy.mean,
                "ci95": result.accuracy.ci95,
                "episodes": result.accuracy.n,
                "seeds": len(result.runs),
                "difference": gap.mean if gap else None,
                "difference_ci95": gap.ci95 if gap else None,
                "verdict": {"not confirmed": "worse"}.get(verdict(gap), "undecided") if gap else "",
                "seconds": sum(run.result["seconds"] for run in result.runs),
                "runs": listed(run.folder.name for run in result.runs),
            }
        )
    return pd.DataFrame(rows)


def runs_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row for each run."""
    columns = varied(results)
    rows = []
    for place, result in enumerate(results):
        for run, evaluation in zip(result.runs, result.evaluations, strict=True):
            rows.append(
                {name: plain(values[place]) for name, values in columns.items()}
                | {
                    "seed": run.spec.seed,
                    "best_epoch": run.result["best_epoch"],
                    "val_accuracy": run.result["val_accuracy"],
                    "val_ci95": run.result["val_ci95"],
                    "accuracy": evaluation.accuracy.mean,
                    "ci95": evaluation.accuracy.ci95,
                    "episodes": evaluation.accuracy.n,
                    "seconds": run.result["seconds"],
                    "run": run.folder.name,
                }
            )
    return pd.DataFrame(rows)


def plain(value: Any) -> Any:
    """A number as it is; anything else as text that no spreadsheet takes for a formula."""
    if isinstance(value, int | float):
        return value
    return harmless(shown(value))


def listed(values) -> str:
    return " ".join(map(str, values))
