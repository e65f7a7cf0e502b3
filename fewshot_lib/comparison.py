"""Runs side by side: which ones are meant, in what they differ, how far apart they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fewshot_lib.data import data_fingerprint
from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.evaluation import Evaluation, Interval
from fewshot_lib.experiments import RESULT, SPEC, Run, bank_for
from fewshot_lib.locate import report_notebooks
from fewshot_lib.paths import project_root, runs_folder
from fewshot_lib.report.render import shown
from fewshot_lib.report.status import STATUS
from fewshot_lib.report.summary import complete_params, headline_specs
from fewshot_lib.spec import Spec
from fewshot_lib.stored import read_run, stored_run
from fewshot_lib.training import describe

IN_A_NAME = 3  # parameters; runs that differ in more are told apart by their folders


@dataclass(frozen=True)
class Entry:
    """A run, and the report it was asked for by."""

    run: Run
    report: str = ""


def find_entries(arguments: Iterable[str]) -> tuple[list[Entry], list[str]]:
    """The runs that the arguments stand for, each once, in their order.

    Args:
        arguments: folders of runs or reports, hashes of runs, names of reports.

    Returns:
        The runs, and what the reports tell of but is no longer there.

    Raises:
        InputError: there is no such run or report, a run is unfinished or damaged, or there are
            fewer than two.
    """
    found, missing = {}, []
    for argument in arguments:
        entries, gone = named_by(argument)
        missing += gone
        for entry in entries:
            found.setdefault(entry.run.folder.resolve(), entry)
    if len(found) < 2:
        there = f" (only {next(iter(found)).name} is given)" if found else ""
        raise InputError(f"a comparison needs two different runs{there}: name more runs or reports")
    return list(found.values()), list(dict.fromkeys(missing))


def named_by(argument: str) -> tuple[list[Entry], list[str]]:
    """The runs of one argument, and the names of those that are gone."""
    reports = project_root() / "reports"
    folders = [
        Path(argument).expanduser(),
        *(base / argument for base in (project_root(), runs_folder(), reports)),
    ]
    for folder in folders:
        if (folder / SPEC).is_file():
            return [Entry(read_run(folder))], []
        if (folder / STATUS).is_file():
            return headline_entries(folder.resolve())
    if there := [folder for folder in folders if folder.is_dir()]:
        raise InputError(f"{there[0]} is no run (no {SPEC}) and no report (no {STATUS})")
    known = [path.parent.name for path in reports.glob(f"*/{STATUS}")]
    hashes = [path.parent.name for path in runs_folder().glob(f"*/{RESULT}")]
    name = Path(argument).name
    hint = did_you_mean(name, known + get_close_matches(name, hashes, n=1))
    raise InputError(f"there is no run or report '{argument}'{hint if known or hashes else ''}")


def headline_entries(folder: Path) -> tuple[list[Entry], list[str]]:
    """The main runs of a report's finished problems, and those that are gone."""
    try:
        specs = headline_specs(complete_params(report_notebooks(str(folder))))
    except (KeyError, AttributeError, TypeError):
        raise InputError(f"{folder / STATUS} is damaged: make the report again") from None
    runs = {name: stored_run(spec) for name, spec in specs.items()}
    entries = [Entry(run, folder.name) for run in runs.values() if run is not None]
    if not entries:
        raise InputError(f"report '{folder.name}' has no finished run: make the report again")
    return entries, [f"{name} of {folder.name}" for name, run in runs.items() if run is None]


def differing(specs: Sequence[Spec]) -> dict[str, list[Any]]:
    """Parameters that are not the same for all: name to one value for each spec."""
    columns = {name: [getattr(spec, name) for spec in specs] for name in Spec.model_fields}
    return {name: v for name, v in columns.items() if any(value != v[0] for value in v)}


def shared(specs: Sequence[Spec]) -> dict[str, Any]:
    """Parameters that are the same for all, with their value."""
    odd = differing(specs)
    return {name: getattr(specs[0], name) for name in Spec.model_fields if name not in odd}


def unique_names(entries: Sequence[Entry]) -> list[str]:
    """A short name for each run; equal ones are told apart by what differs, or by their folders."""
    several = len({entry.report for entry in entries if entry.report}) > 1
    bases = [
        f"{e.report}: {describe(e.run.spec)}" if several and e.report else describe(e.run.spec)
        for e in entries
    ]
    names = list(bases)
    for base in {base for base in bases if bases.count(base) > 1}:
        places = [i for i, other in enumerate(bases) if other == base]
        words = distinctions([entries[i].run for i in places])
        for i, word in zip(places, words, strict=True):
            names[i] = f"{base}, {word}"
    return names


def distinctions(runs: Sequence[Run]) -> list[str]:
    """Different words for each of these runs."""
    odd = differing([run.spec for run in runs])
    columns = [[f"{name} {shown(value)}" for value in odd[name]] for name in odd]
    options = [[", ".join(row) for row in zip(*columns, strict=True)]] if columns else []
    options = options if len(odd) <= IN_A_NAME and "data_dir" not in odd else []
    options += [[run.folder.name for run in runs], [str(run.folder) for run in runs]]
    return next(words for words in options if len(set(words)) == len(runs))


def short_names(names: Sequence[str]) -> list[str]:
    """The names without the words that all have, where they stay different: for tight places."""
    parts = [name.partition(", ") for name in names]
    common = set.intersection(*(set(base.split()) for base, _, _ in parts))
    short = []
    for base, _, rest in parts:
        own = " ".join(word for word in base.split() if word not in common)
        short.append(", ".join(filter(None, (own, rest))) or base)
    return short if len(set(short)) == len(names) else list(names)


@dataclass(frozen=True)
class Judged:
    """A run's accuracy on episodes that did not choose its epoch.

    Attributes:
        evaluation: None if the run cannot be judged here.
        note: why not, or what to know about it.
    """

    run: Run
    evaluation: Evaluation | None
    note: str = ""


def judge(run: Run, n_episodes: int) -> Judged:
    """Judge a run on episodes of its validation classes; kept in the run's folder.

    A run whose data or weights are gone keeps the accuracy that its folder tells.
    """
    try:
        # A run of its own, whose features are let go with it.
        evaluation = Run(run.spec, run.folder).evaluate(n_episodes)
        return Judged(run, evaluation, "" if is_unchanged(run) else CHANGED)
    except (InputError, OSError) as error:
        return Judged(run, None, f"no test episodes: {error}")


CHANGED = (
    "its folder's name does not fit its parameters and data as they are here: the folder was "
    "renamed, the data has changed since the training, or another version trained it"
)


def is_unchanged(run: Run) -> bool:
    """Whether the run's folder still has the name its parameters and data give it."""
    return run.folder.resolve().name == run.spec.identity(data_fingerprint(run.spec))


def gap(judged: Judged, first: Judged) -> Interval | str:
    """Paired difference of accuracies, or why there is none."""
    if judged.evaluation is None or first.evaluation is None:
        return "not comparable: no test episodes"
    if images_of(judged.run) != images_of(first.run):
        return "not comparable: other data"
    if episode_shape(judged.run.spec) != episode_shape(first.run.spec):
        return "not comparable: other test episodes"
    return judged.evaluation.minus(first.evaluation)


def images_of(run: Run) -> tuple[str, str, list[str]]:
    """What must be equal for two banks to hold the same images, of whatever size in pixels."""
    bank = bank_for(run.spec, "val")
    return run.spec.source, bank.fingerprint, bank.ids


def episode_shape(spec: Spec) -> tuple[int, int, int]:
    """Ways, shots and queries of the episodes that a run is judged on."""
    return spec.n_way_test, spec.n_shot_test, spec.n_query_test
