"""Is a report what its runs say? Every accuracy in it, computed anew from the weights."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.ledger import RESULTS
from fewshot_lib.experiments.lookup import read_run
from fewshot_lib.experiments.runs import Run
from fewshot_lib.experiments.testcases import TESTCASES, evaluate_testcases
from fewshot_lib.files import project_root, runs_folder
from fewshot_lib.learning.calibration import CALIBRATED
from fewshot_lib.learning.intervals import Interval

TOLERANCE = 5e-5  # half of the last digit a report prints: another machine rounds otherwise

Entry = dict[str, Any]


def read_entries(report: str) -> dict[str, list[Entry]]:
    """The accuracies that a report's ``result.json`` tells of, by notebook.

    Args:
        report: a folder, or the name of one in ``reports/``.

    Raises:
        InputError: there is none, or it is damaged.
    """
    folders = (Path(report).expanduser(), project_root() / "reports" / report)
    path = next((f / RESULTS for f in folders if (f / RESULTS).is_file()), None)
    if path is None:
        raise InputError(f"{report} is no report with a {RESULTS}: make it with 'fewshot report'")
    try:
        notebooks = json.loads(path.read_text("utf-8"))
        for entry in (entry for entries in notebooks.values() for entry in entries):
            Interval(float(entry["mean"]), float(entry["ci95"]), int(entry["n"]))
            str(entry["run"]), str(entry["weights"])
        return notebooks
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is damaged: make the report again") from None


def differences(
    notebooks: dict[str, list[Entry]], on_entry: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """A line for every accuracy that does not come out as the report has it.

    Args:
        on_entry: called after each accuracy.
    """
    runs: dict[str, Run] = {}
    for notebook, entries in notebooks.items():
        for entry in sorted(entries, key=lambda entry: entry["run"]):
            if entry["run"] not in runs:
                runs = {}  # lets go of the features of the run before
            problem = difference(entry, runs)
            on_entry()
            if problem:
                yield f"{notebook}, run {entry['run']}, {asked(entry)}: {problem}"


def difference(entry: Entry, runs: dict[str, Run]) -> str:
    """What is wrong with one accuracy, "" if nothing is."""
    try:
        name = entry["run"]
        run = runs.setdefault(name, read_run(runs_folder() / Path(name).name))
        if run.weights_hash != entry["weights"]:
            return f"the weights have changed, {entry['weights']} were {run.weights_hash}"
        found = compute(run, entry)
    except (InputError, OSError) as error:
        return str(error)
    told = Interval(entry["mean"], entry["ci95"], entry["n"])
    same = found.n == told.n and all(
        abs(a - b) < TOLERANCE for a, b in zip(found[:2], told[:2], strict=True)
    )
    return "" if same else f"the report says {told}, it comes out as {found}"


def compute(run: Run, entry: Entry) -> Interval:
    """The accuracy anew, whatever predictions are kept in the run's folder."""
    calibrated = entry.get("calibrated", False)
    if "testcases" in entry:
        found = evaluate_testcases(run, calibrated)
        if found is None:
            raise InputError(f"{TESTCASES} is no longer there")
        return found
    how = {key: entry[key] for key in ("n_episodes", "n_shot", "n_aug", "split")}
    return run.judge(**how, calibrated=calibrated).accuracy


def asked(entry: Entry) -> str:
    """What the accuracy is one of, in short."""
    calibrated = CALIBRATED if entry.get("calibrated") else ""
    if "testcases" in entry:
        return TESTCASES + calibrated
    return f"{entry['split']} {entry['n_shot']}-shot M={entry['n_aug']}{calibrated}"
