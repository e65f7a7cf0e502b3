"""Many settings, each trained with one or more seeds, ranked by accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fewshot_lib.experiments.comparison import images_of
from fewshot_lib.experiments.matrix import difference_over_seeds, over_seeds
from fewshot_lib.experiments.runs import Run
from fewshot_lib.experiments.sweeps.plan import Plan, Setting
from fewshot_lib.experiments.sweeps.search import runs_of, search, train
from fewshot_lib.files import spreadsheet_safe
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval, of_intervals, verdict
from fewshot_lib.spec.words import differing_values, episode_shape, value_text


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
        """Of the best epochs."""
        n = self.runs[0].spec.episodes_val
        results = [run.result for run in self.runs]
        return of_intervals([Interval(r["val_accuracy"], r["val_ci95"], n) for r in results])

    def minus(self, other: "Result") -> Interval | None:
        """Paired difference; None if the two were not judged on the same episodes."""
        a, b = self.runs[0], other.runs[0]
        if episode_shape(a.spec) != episode_shape(b.spec) or images_of(a) != images_of(b):
            return None
        return difference_over_seeds(self.evaluations, other.evaluations)


def sweep(plan: Plan, n_episodes: int) -> tuple[list[Result], list[Setting], Exception | None]:
    """Train and judge all settings, with the engine of the environment.

    Returns:
        The results, best first; the settings of which a run failed; the error that says why.
    """
    settings, failure = plan.settings, None
    if plan.ranges:
        settings, failure = search(plan, n_episodes)
    else:
        failure = train(settings, n_episodes)
    results, failed = [], []
    for one in settings:
        if not (runs := runs_of(one)):
            failed.append(one)
            continue
        # Runs of their own, whose features are let go with them.
        judged = [Run(run.spec, run.folder).evaluate(n_episodes) for run in runs]
        results.append(Result(one, runs, judged))
    return sorted(results, key=lambda r: -r.accuracy.mean), failed, failure


def varied(results: Sequence[Result]) -> dict[str, list[Any]]:
    """Parameters that are not the same for all settings: name to a value for each result."""
    return differing_values([result.runs[0].spec for result in results])


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
    return spreadsheet_safe(value_text(value))


def listed(values) -> str:
    return " ".join(map(str, values))
