"""Finished runs as their folders tell of them, even where their data is gone."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.experiments.ledger import COMPLETE, STATUS
from fewshot_lib.experiments.runs import RESULT, SPEC, Run, finished_run
from fewshot_lib.files import project_root, runs_folder
from fewshot_lib.learning.checkpoints import HISTORY, WEIGHTS
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import PROBLEMS, ReportParams, headline_specs
from fewshot_lib.spec.yaml_text import read_yaml


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


def complete_params(notebooks: dict[str, dict[str, Any]]) -> dict[str, ReportParams]:
    """Parameters of the problems that ``run.json`` calls complete, by name."""
    return {
        name: PROBLEMS[name].check(notebooks[name]["parameters"])
        for name in PROBLEMS
        if notebooks.get(name, {}).get("state") == COMPLETE
    }


RESULT_NUMBERS = ("best_epoch", "val_accuracy", "val_ci95", "seconds", "parameters")
HISTORY_COLUMNS = ["epoch", "loss", "val_accuracy", "val_ci95", "seconds"]


def stored_run(spec: Spec) -> Run | None:
    """The finished run of this spec, found without its data if that is gone."""
    try:
        run = finished_run(spec)
    except InputError:  # without the data the folder's name is not known
        return max(
            (run for run in readable_runs() if run.spec == spec),
            key=lambda run: (run.folder / RESULT).stat().st_mtime,
            default=None,
        )
    if run is not None:
        check_results(run)
    return run


def readable_runs() -> Iterator[Run]:
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
        run = Run(Spec.stored(values), folder)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    check_results(run)
    return run


def check_results(run: Run) -> None:
    """Name the file that does not hold what a finished run's should."""
    name = RESULT
    try:
        if not all(isinstance(run.result[key], int | float) for key in RESULT_NUMBERS):
            raise TypeError("not a number")
        name = HISTORY
        if run.history[HISTORY_COLUMNS].astype(float).empty:
            raise ValueError("no epoch")
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{run.folder / name} is missing or damaged: delete the run's folder and train it again"
        ) from None


BEST = "best"


def weights_file(run: str, profile: str = "quick", problem: int | None = None) -> Path:
    """The weights file that ``run`` stands for.

    Args:
        run: a folder of ``reports/runs/``, a weights file, or ``best``.
        profile, problem: of which report, and of which problem in it, ``best`` is meant.

    Raises:
        InputError: there is no such report, or it has no finished run.
    """
    if run == BEST:
        return best_run(profile, problem).folder / WEIGHTS
    path = Path(run).expanduser()
    return path / WEIGHTS if path.is_dir() else path


def best_run(profile: str, problem: int | None = None) -> Run:
    """The main run with the highest validation accuracy, of one problem or of the whole report."""
    specs = headline_specs(report_params(profile))
    name = f"Problem {problem}"
    chosen = specs.values() if problem is None else [specs[name]] if name in specs else []
    runs = [run for run in map(stored_run, chosen) if run is not None]
    if not runs:
        what = "" if problem is None else f"{name} of "
        only = "" if problem is None else f" --only problem{problem}"
        raise InputError(
            f"{what}report '{profile}' is not finished: fewshot report {profile}{only}"
        )
    return max(runs, key=lambda run: run.result["val_accuracy"])


def report_params(profile: str) -> dict[str, ReportParams]:
    """Parameters of the report's finished problems, by name.

    Raises:
        InputError: there is no such report, or its ``run.json`` is not as this version writes it.
    """
    notebooks = report_notebooks(profile)
    try:
        return complete_params(notebooks)
    except (AttributeError, KeyError, TypeError, InputError):
        path = project_root() / "reports" / profile / STATUS
        raise InputError(f"{path} is damaged: make the report again") from None


def report_notebooks(profile: str) -> dict[str, dict]:
    """What the report's ``run.json`` tells of each notebook."""
    reports = project_root() / "reports"
    path = reports / profile / STATUS
    try:
        return json.loads(path.read_text("utf-8"))["notebooks"]
    except FileNotFoundError:
        there = [p.parent.name for p in reports.glob(f"*/{STATUS}")]
        hint = did_you_mean(profile, there) if there else f" (make it: fewshot report {profile})"
        raise InputError(f"there is no report '{profile}'{hint}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged: make the report again") from None
