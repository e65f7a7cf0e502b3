"""Finished runs as their folders tell of them, even where their data is gone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import (
    RESULT,
    SPEC,
    STATUS,
    find_folder,
    read_notebooks,
)
from fewshot_lib.experiments.runs import Run, finished_run
from fewshot_lib.experiments.status import COMPLETE
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.checkpoints import HISTORY, WEIGHTS
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import PROBLEMS, ReportParams, headline_specs
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


def _main_runs(report: Path) -> dict[str, Run | None]:
    """The main run of each of a report's finished problems; None for one that is gone."""
    runs = {name: _stored_run(spec) for name, spec in headline_specs(_params_of(report)).items()}
    if not any(runs.values()):
        raise InputError(f"report '{report.name}' has no finished run: make the report again")
    return runs


def complete_params(notebooks: dict[str, dict[str, Any]]) -> dict[str, ReportParams]:
    """Parameters of the problems that ``run.json`` calls complete, by name."""
    return {
        name: PROBLEMS[name].check(notebooks[name]["parameters"])
        for name in PROBLEMS
        if notebooks.get(name, {}).get("state") == COMPLETE
    }


def _params_of(report: Path) -> dict[str, ReportParams]:
    """Parameters of the report's finished problems, by name.

    Raises:
        InputError: its ``run.json`` is not as this version writes it.
    """
    notebooks = read_notebooks(report)
    try:
        return complete_params(notebooks)
    except (AttributeError, KeyError, TypeError, InputError):
        raise InputError(f"{report / STATUS} is damaged: make the report again") from None


def _stored_run(spec: Spec) -> Run | None:
    """The finished run of this spec, found without its data if that is gone."""
    try:
        run = finished_run(spec)
    except InputError:  # without the data the folder's name is not known
        return max(
            (run for run in _readable_runs() if run.spec == spec),
            key=lambda run: (run.folder / RESULT).stat().st_mtime,
            default=None,
        )
    if run is not None:
        _check_results(run)
    return run


def _readable_runs() -> Iterator[Run]:
    """All finished runs of the project; damaged ones are passed over."""
    for path in runs_folder().glob(f"*/{RESULT}"):
        try:
            yield read_run(path.parent)
        except InputError:
            continue


def read_run(folder: Path) -> Run:
    """The finished run of a folder, with everything there that one may ask of it.

    Raises:
        InputError: it is unfinished, or one of its files is missing or damaged.
    """
    if not (folder / RESULT).is_file():
        raise InputError(
            f"run {folder.name} is not finished: make its report again, it goes on where it stopped"
        )
    path = folder / SPEC
    try:
        values = read_yaml(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path}: expected lines of the form 'name: value'")
    try:
        run = Run(Spec.from_stored(values), folder)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
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


def weights_file(place: Path, problem: int | None = None) -> Path:
    """The weights file at a place that ``folders.find_network`` has found.

    Args:
        place: a weights file, a run's folder, or a report's, of which the best run is meant.
        problem: of which problem in the report.

    Raises:
        InputError: the report has no finished run.
    """
    if (place / STATUS).is_file():
        return _best_run(place, problem).folder / WEIGHTS
    return place / WEIGHTS if place.is_dir() else place


def _best_run(report: Path, problem: int | None) -> Run:
    """The main run with the highest validation accuracy, of one problem or of the whole report."""
    specs = headline_specs(_params_of(report))
    name, profile = f"Problem {problem}", report.name
    chosen = specs.values() if problem is None else [specs[name]] if name in specs else []
    runs = [run for run in map(_stored_run, chosen) if run is not None]
    if not runs:
        what = "" if problem is None else f"{name} of "
        only = "" if problem is None else f" --only problem{problem}"
        raise InputError(
            f"{what}report '{profile}' is not finished: fewshot report {profile}{only}"
        )
    return max(runs, key=lambda run: run.result["val_accuracy"])
