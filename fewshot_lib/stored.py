"""Finished runs as their folders tell of them, even where their data is gone."""

from collections.abc import Iterator
from pathlib import Path

from fewshot_lib.checkpoints import HISTORY
from fewshot_lib.errors import InputError
from fewshot_lib.experiments import RESULT, SPEC, Run, finished_run
from fewshot_lib.paths import runs_folder
from fewshot_lib.report.params import read_yaml
from fewshot_lib.spec import Spec

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
        run = Run(Spec.check(values), folder)
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
