"""Finished runs as their folders tell of them, even where their data is gone."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import RESULT, SPEC, STATUS, find_folder
from fewshot_lib.experiments.ledger import complete_params, read_notebooks
from fewshot_lib.experiments.runs import Run, finished_run
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.checkpoints import HISTORY, WEIGHTS
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import headline_specs
from fewshot_lib.spec.yaml_text import read_yaml

_RESULT_NUMBERS = ("best_epoch", "val_accuracy", "val_ci95", "seconds", "parameters")
_HISTORY_COLUMNS = ["epoch", "loss", "val_accuracy", "val_ci95", "seconds"]


@dataclass(frozen=True)
class Entry:
    """A run, and the report it was asked for by."""

    run: Run
    report: str = ""


def find_entries(names: Iterable[str]) -> tuple[list[Entry], list[str]]:
    """The runs that the names stand for, each once, in their order.

    Args:
        names: folders of runs or reports, hashes of runs, names of reports.

    Returns:
        The runs, and those main runs of the reports that are no longer there, in words.

    Raises:
        InputError: there is no such run or report, a run is unfinished or damaged, or there are
            fewer than two.
    """
    found, gone = {}, {}
    for folder in map(find_folder, names):
        is_run = (folder / SPEC).is_file()
        runs = {"": read_run(folder)} if is_run else _main_runs(folder.resolve())
        if not any(runs.values()):
            raise InputError(f"report '{folder.name}' has no finished run: make the report again")
        for name, run in runs.items():
            if run is None:
                gone[f"{name} of {folder.name}"] = None
            else:
                entry = Entry(run, "" if is_run else folder.name)
                found.setdefault(run.folder.resolve(), entry)
    if len(found) < 2:
        there = f" (only {next(iter(found)).name} is given)" if found else ""
        raise InputError(f"a comparison needs two different runs{there}: name more runs or reports")
    return list(found.values()), list(gone)


def weights_file(place: Path, problem: int | None = None) -> Path:
    """The weights file at a place that ``folders.find_network`` has found.

    Args:
        place: a weights file, a run's folder, or a report's, of which the main run with the
            highest validation accuracy is meant.
        problem: of which problem in the report.

    Raises:
        InputError: the report has no finished run.
    """
    if not (place / STATUS).is_file():
        return place / WEIGHTS if place.is_dir() else place
    name, main_runs = f"Problem {problem}", _main_runs(place)
    chosen = main_runs.values() if problem is None else [main_runs.get(name)]
    runs = [run for run in chosen if run is not None]
    if not runs:
        what, only = ("", "") if problem is None else (f"{name} of ", f" --only problem{problem}")
        raise InputError(
            f"{what}report '{place.name}' is not finished: fewshot report {place.name}{only}"
        )
    return max(runs, key=lambda run: run.result["val_accuracy"]).folder / WEIGHTS


def _main_runs(report: Path) -> dict[str, Run | None]:
    """The main run of each of a report's finished problems; None for one that is gone.

    Raises:
        InputError: its ``run.json`` is not as this version writes it, or a run is damaged.
    """
    notebooks = read_notebooks(report)
    try:
        specs = headline_specs(complete_params(notebooks))
    except (KeyError, TypeError, InputError):
        raise InputError(f"{report / STATUS} is damaged: make the report again") from None
    return {name: _stored_run(spec) for name, spec in specs.items()}


def _stored_run(spec: Spec) -> Run | None:
    """The finished run of this spec, found without its data if that is gone."""
    try:
        run = finished_run(spec)
    except InputError:  # without the data the folder's name is not known
        same = [run for run in _readable_runs() if run.spec == spec]
        return max(same, key=lambda run: (run.folder / RESULT).stat().st_mtime, default=None)
    if run is not None:
        _check_results(run)
    return run


def _readable_runs() -> Iterator[Run]:
    """All finished runs of the project; damaged ones are passed over."""
    for path in runs_folder().glob(f"*/{RESULT}"):
        with contextlib.suppress(InputError):
            yield read_run(path.parent)


def read_run(folder: Path) -> Run:
    """The finished run of a folder, with everything there that one may ask of it.

    Raises:
        InputError: it is unfinished, or one of its files is missing or damaged.
    """
    if not (folder / RESULT).is_file():
        raise InputError(
            f"run {folder.name} is not finished: make its report again, it goes on where it stopped"
        )
    try:
        values = read_yaml((folder / SPEC).read_text("utf-8"), SPEC)
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise InputError(f"{SPEC}: expected lines of the form 'name: value'")
        run = Run(Spec.from_stored(values), folder)
    except (OSError, UnicodeDecodeError, InputError) as error:
        raise InputError(f"run {folder}: {error}") from None
    _check_results(run)
    return run


def _check_results(run: Run) -> None:
    """Name the file that does not hold what a finished run's should."""
    name = RESULT
    try:
        if not all(isinstance(run.result[key], int | float) for key in _RESULT_NUMBERS):
            raise TypeError("not a number")
        name = HISTORY
        if run.history[_HISTORY_COLUMNS].astype(float).empty:
            raise ValueError("no epoch")
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{run.folder / name} is missing or damaged: delete the run's folder and train it again"
        ) from None
