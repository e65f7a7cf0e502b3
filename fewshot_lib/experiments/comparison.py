"""Runs side by side: which ones are meant, in what they differ, how far apart they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.lookup import Entry
from fewshot_lib.experiments.runs import Run, bank_for, run_folder
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.spec.words import differing_values, episode_shape, run_title, value_text

_IN_A_NAME = 3  # parameters; runs that differ in more are told apart by their folders
_CHANGED = (
    "its folder's name does not fit its parameters and data as they are here: the folder was "
    "renamed, the data has changed since the training, or another version trained it"
)


def unique_names(entries: Sequence[Entry]) -> list[str]:
    """A short name for each run; equal ones are told apart by what differs, or by their folders."""
    several = len({entry.report for entry in entries if entry.report}) > 1
    bases = [
        f"{e.report}: {run_title(e.run.spec)}" if several and e.report else run_title(e.run.spec)
        for e in entries
    ]
    names = list(bases)
    for base in {base for base in bases if bases.count(base) > 1}:
        places = [i for i, other in enumerate(bases) if other == base]
        words = _distinctions([entries[i].run for i in places])
        for i, word in zip(places, words, strict=True):
            names[i] = f"{base}, {word}"
    return names


def _distinctions(runs: Sequence[Run]) -> list[str]:
    """Different words for each of these runs."""
    odd = differing_values([run.spec for run in runs])
    columns = [[f"{name} {value_text(value)}" for value in odd[name]] for name in odd]
    options = [[", ".join(row) for row in zip(*columns, strict=True)]] if columns else []
    options = options if len(odd) <= _IN_A_NAME and "data_dir" not in odd else []
    options += [[run.folder.name for run in runs], [str(run.folder) for run in runs]]
    return next(words for words in options if len(set(words)) == len(runs))


@dataclass(frozen=True)
class JudgedRun:
    """A run's accuracy on episodes that did not choose its epoch.

    Attributes:
        evaluation: None if the run cannot be judged here.
        note: why not, or what to know about it.
    """

    run: Run
    evaluation: Evaluation | None
    note: str = ""

    def gap(self, first: "JudgedRun") -> Interval | str:
        """Paired difference of accuracies, or why there is none."""
        if self.evaluation is None or first.evaluation is None:
            return "not comparable: no test episodes"
        if words := other_episodes(self.run, first.run):
            return f"not comparable: {words}"
        return self.evaluation.minus(first.evaluation)


def judge(run: Run, n_episodes: int) -> JudgedRun:
    """Judge a run on episodes of its validation classes; kept in the run's folder.

    A run whose data or weights are gone keeps the accuracy that its folder tells.
    """
    try:
        # A run of its own, whose features are let go with it.
        evaluation = Run(run.spec, run.folder).evaluate(n_episodes)
        return JudgedRun(run, evaluation, "" if _is_unchanged(run) else _CHANGED)
    except (InputError, OSError) as error:
        return JudgedRun(run, None, f"no test episodes: {error}")


def _is_unchanged(run: Run) -> bool:
    """Whether the run's folder still has the name its parameters and data give it."""
    return run.folder.resolve().name == run_folder(run.spec, anew=True).name


def other_episodes(a: Run, b: Run) -> str:
    """In what the report's episodes of two runs differ, "" if they are of the same images.

    Images may be of different sizes in pixels.
    """
    banks = [bank_for(run.spec, "val") for run in (a, b)]
    images = [(bank.fingerprint, bank.ids) for bank in banks]
    if a.spec.source != b.spec.source or images[0] != images[1]:
        return "other data"
    return "" if episode_shape(a.spec) == episode_shape(b.spec) else "other test episodes"
