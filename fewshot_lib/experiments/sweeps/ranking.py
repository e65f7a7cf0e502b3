"""Many settings, each trained with one or more seeds, ranked by accuracy."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from fewshot_lib.experiments.comparison import other_episodes
from fewshot_lib.experiments.matrix import SeedEvaluations, SeedRuns
from fewshot_lib.experiments.sweeps.plan import Plan, Setting
from fewshot_lib.experiments.sweeps.search import finished_runs, search, train
from fewshot_lib.files import spreadsheet_safe
from fewshot_lib.learning.intervals import Interval, of_intervals, verdict
from fewshot_lib.spec.words import differing_values, value_text


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
        runs, accuracy = self.runs[place].seeds, self.evaluations[place].accuracy
        gap = self._gap(place) if place else None
        validation = of_intervals([run.accuracy_at(run.result["best_epoch"]) for run in runs])
        return self._parameters(place) | {
            "best_epoch": " ".join(str(run.result["best_epoch"]) for run in runs),
            "val_accuracy": validation.mean,
            "val_ci95": validation.ci95,
            **_accuracy_cells(accuracy),
            "seeds": len(runs),
            "difference": gap.mean if gap else None,
            "difference_ci95": gap.ci95 if gap else None,
            "verdict": {"contradicted": "worse"}.get(verdict(gap), "undecided") if gap else "",
            "seconds": sum(run.result["seconds"] for run in runs),
            "runs": " ".join(run.folder.name for run in runs),
        }

    def _gap(self, place: int) -> Interval | None:
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


def rank(plan: Plan, n_episodes: int) -> Ranking:
    """Train and judge all settings of a plan, with the engine of the environment."""
    if plan.ranges:
        settings, failure = search(plan, n_episodes)
    else:
        settings, failure = plan.settings, train(plan.settings, n_episodes)
    failed, judged = [], []
    for one in settings:
        if runs := finished_runs(one):
            # Runs of their own are judged, whose features are let go with them.
            judged.append((runs, finished_runs(one).evaluate(n_episodes)))
        else:
            failed.append(one)
    judged.sort(key=lambda pair: -pair[1].accuracy.mean)
    return Ranking([runs for runs, _ in judged], [e for _, e in judged], failed, failure)


def _accuracy_cells(accuracy: Interval) -> dict[str, float]:
    return {"accuracy": accuracy.mean, "ci95": accuracy.ci95, "test_episodes": accuracy.n}


def _cell(value: Any) -> Any:
    """A number as it is; anything else as text that no spreadsheet takes for a formula."""
    if isinstance(value, int | float):
        return value
    return spreadsheet_safe(value_text(value))
