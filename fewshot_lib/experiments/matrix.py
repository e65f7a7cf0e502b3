"""Runs of several settings, each with one seed or more, asked like a single run."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines.jobs import attempt
from fewshot_lib.experiments.engines.settings import EngineSettings
from fewshot_lib.experiments.runs import RESULT, Run, run_names
from fewshot_lib.experiments.testcases import evaluate_testcases
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.words import run_title

_NAMED = 3  # failed runs that an error names


def run_matrix(
    specs: Mapping[Hashable, Spec], engine: str | None = None, episodes: int = 0, **settings: Any
) -> dict[Hashable, Run]:
    """The runs of several specs, under the same keys; those that are not there are made.

    Args:
        engine: ``serial`` or ``ray``; by default what ``FEWSHOT_ENGINE`` says.
        episodes: if not 0, new runs are judged on so many episodes where they are made.
        settings: other fields of ``EngineSettings``; by default what the environment says.

    Raises:
        InputError: an argument is wrong, or runs failed for wrong input.
        OSError: the disk is full.
        RuntimeError: runs failed for another reason. All others are complete in any case.
    """
    how = EngineSettings.find(engine=engine, **settings)
    names = run_names(specs.values())
    wanted = dict(zip(names, specs.values(), strict=True))
    todo = {n: s for n, s in wanted.items() if not (runs_folder() / n / RESULT).exists()}
    if todo and how.engine == "ray":
        from fewshot_lib.experiments.engines.ray import make_all

        errors = make_all(todo, episodes, how)
    else:
        errors = {name: attempt(name, spec, episodes, how.threads) for name, spec in todo.items()}
    _raise_failures(todo, errors)
    places = zip(specs.items(), names, strict=True)
    return {key: Run(spec, runs_folder() / name) for (key, spec), name in places}


def _raise_failures(specs: Mapping[str, Spec], errors: Mapping[str, Exception | None]) -> None:
    """One error for all runs that failed, if any did: of the gravest one's kind.

    Args:
        specs, errors: by name of the run; errors as of ``attempt``.
    """
    failed = {name: error for name, error in errors.items() if error}
    if not failed:
        return
    worst = min(failed.values(), key=lambda error: isinstance(error, InputError))
    if len(specs) == 1:
        raise worst
    words = [f"{run_title(specs[name])} ({name}): {error}" for name, error in failed.items()]
    more = f"; and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    start = f"{len(failed)} of {len(specs)} runs failed, the others are complete"
    number = [worst.errno] if isinstance(worst, OSError) else []
    raise type(worst)(*number, f"{start}: {'; '.join(words[:_NAMED])}{more}") from worst


@dataclass(frozen=True)
class SeedEvaluations:
    """One setting's evaluations, one for each seed, on the same episodes.

    Attributes:
        runs: names of the runs that were judged.
    """

    seeds: tuple[Evaluation, ...]
    runs: tuple[str, ...] = ()

    @property
    def accuracy(self) -> Interval:
        """Mean over seeds, with an interval for other seeds and other episodes.

        Raises:
            ValueError: the seeds were judged on different queries.
        """
        for seed in self.seeds[1:]:
            self.seeds[0].minus(seed)  # raises
        return Interval.over_seeds(torch.stack([seed.accuracies for seed in self.seeds]))

    def minus(self, other: "SeedEvaluations") -> Interval:
        """Difference of accuracies, paired over episodes and as many seeds as both have.

        Raises:
            ValueError: the two were not judged on the same query images.
        """
        pairs = list(zip(self.seeds, other.seeds, strict=False))
        for a, b in pairs:
            a.minus(b)  # raises
        return Interval.over_seeds(torch.stack([a.accuracies - b.accuracies for a, b in pairs]))

    def same_weights(self, other: "SeedEvaluations") -> bool:
        """Whether both judged the same runs, for instance with and without calibration."""
        return bool(self.runs) and self.runs == other.runs

    def confusion(self, bank: ImageBank) -> torch.Tensor:
        """Counts ``(n_classes, n_classes)`` of all seeds: row the true class."""
        return torch.stack([e.confusion(bank) for e in self.seeds]).sum(0)

    def class_accuracies(self, bank: ImageBank) -> pd.Series:
        """Share of right answers for the queries of each class, best first."""
        rates = [e.class_accuracies(bank) for e in self.seeds]
        # All seeds have the same queries: the mean of their shares is the share of all.
        return rates[0] if len(rates) == 1 else (sum(rates) / len(rates)).sort_values()[::-1]


_AnyEvaluation = Evaluation | SeedEvaluations  # both have an accuracy and a paired difference


def difference(a: _AnyEvaluation, b: _AnyEvaluation) -> Interval:
    """Accuracy of ``a`` minus that of ``b``: paired where both saw the same queries."""
    try:
        return a.minus(b)
    except ValueError:
        return a.accuracy.minus(b.accuracy)


@dataclass(frozen=True)
class SeedRuns:
    """One setting's finished runs, one for each seed."""

    seeds: tuple[Run, ...]

    @property
    def first(self) -> Run:
        return self.seeds[0]

    @property
    def spec(self) -> Spec:
        """Of the first seed."""
        return self.first.spec

    @property
    def histories(self) -> list[pd.DataFrame]:
        return [run.history for run in self.seeds]

    @property
    def history(self) -> pd.DataFrame:
        """The mean over seeds of each epoch's numbers; a single seed's as they are."""
        if len(self.seeds) == 1:
            return self.first.history
        by_epoch = pd.concat(self.histories).groupby("epoch", as_index=False)
        return by_epoch.mean(numeric_only=True)

    @property
    def pretrainings(self) -> list[Run]:
        """The classifiers that these runs start from, as far as they are there."""
        return [start for run in self.seeds if (start := run.pretraining) is not None]

    @property
    def best_epochs(self) -> str:
        """Whose weights the runs have: ``epoch 3``, or ``epochs 3, 5 and 4``, one for each seed."""
        *others, last = (str(run.result["best_epoch"]) for run in self.seeds)
        return f"epochs {', '.join(others)} and {last}" if others else f"epoch {last}"

    @property
    def epoch_seconds(self) -> Interval:
        """Seconds per epoch, over the epochs of all seeds."""
        return Interval.of_few(torch.tensor(pd.concat(self.histories)["seconds"].to_numpy()))

    def accuracy_at(self, epoch: int) -> Interval:
        """Validation accuracy after this epoch, over seeds."""
        return Interval.of_seeds([run.accuracy_at(epoch) for run in self.seeds])

    def evaluate(self, n_episodes: int, **choices: Any) -> SeedEvaluations:
        """Judge every seed; arguments as of ``Run.evaluate``."""
        evaluations = tuple(run.evaluate(n_episodes, **choices) for run in self.one_by_one())
        return SeedEvaluations(evaluations, tuple(run.folder.name for run in self.seeds))

    def on_testcases(self, calibrated: bool = False) -> Interval | None:
        """Accuracy on the course's test cases; None where the data has none."""
        found = [evaluate_testcases(run, calibrated) for run in self.one_by_one()]
        return None if None in found else Interval.of_seeds(found)

    def one_by_one(self) -> Iterator[Run]:
        """The runs one by one; only the first keeps its features in memory."""
        yield self.first
        yield from (Run(run.spec, run.folder) for run in self.seeds[1:])


def run_seeds(specs: Mapping[tuple[Hashable, int], Spec], **settings: Any) -> dict[Any, SeedRuns]:
    """The runs of all these specs, gathered by name; all are made at once.

    Args:
        specs: by name and seed, as of ``ReportParams.seed_specs``.
        settings: as of ``run_matrix``.
    """
    runs = run_matrix(specs, **settings)
    names = dict.fromkeys(name for name, _ in specs)
    return {n: SeedRuns(tuple(r for (name, _), r in runs.items() if name == n)) for n in names}
