"""Is a report what its runs say? Every accuracy in it, computed anew from the weights."""

from collections.abc import Callable, Iterator
from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.ledger import Accuracy
from fewshot_lib.experiments.lookup import read_run
from fewshot_lib.experiments.runs import Run
from fewshot_lib.experiments.testcases import TESTCASES, evaluate_testcases
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.calibration import CALIBRATED
from fewshot_lib.learning.intervals import Interval

_TOLERANCE = 5e-5  # half of the last digit a report prints: another machine rounds otherwise


def differences(
    notebooks: dict[str, list[Accuracy]], on_entry: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """A line for every accuracy that does not come out as the report has it.

    Args:
        notebooks: of ``ledger.read_accuracies``.
        on_entry: called after each accuracy.
    """
    runs: dict[str, Run] = {}
    for notebook, entries in notebooks.items():
        for entry in sorted(entries, key=lambda entry: entry["run"]):
            if entry["run"] not in runs:
                runs = {}  # lets go of the features of the run before
            problem = _difference(entry, runs)
            on_entry()
            if problem:
                yield f"{notebook}, run {entry['run']}, {_words(entry)}: {problem}"


def _difference(entry: Accuracy, runs: dict[str, Run]) -> str:
    """What is wrong with one accuracy, "" if nothing is."""
    try:
        name = entry["run"]
        run = runs.setdefault(name, read_run(runs_folder() / Path(name).name))
        if run.weights_hash != entry["weights"]:
            return f"the weights have changed, {entry['weights']} were {run.weights_hash}"
        found = _compute(run, entry)
    except (InputError, OSError) as error:
        return str(error)
    told = Interval(entry["mean"], entry["ci95"], entry["n"])
    same = found.n == told.n and all(
        abs(a - b) < _TOLERANCE for a, b in zip(found[:2], told[:2], strict=True)
    )
    return "" if same else f"the report says {told}, it comes out as {found}"


def _compute(run: Run, entry: Accuracy) -> Interval:
    """The accuracy anew, whatever predictions are kept in the run's folder."""
    calibrated = entry.get("calibrated", False)
    if "testcases" in entry:
        found = evaluate_testcases(run, calibrated)
        if found is None:
            raise InputError(f"{TESTCASES} is no longer there")
        return found
    numbers = (entry[name] for name in ("n_episodes", "n_shot", "n_aug"))
    return run.judge(*numbers, entry["split"], calibrated).accuracy


def _words(entry: Accuracy) -> str:
    """What was judged, in a few words: ``val 1-shot M=200``, ``val_testcase.csv, calibrated``."""
    calibrated = CALIBRATED if entry.get("calibrated") else ""
    if "testcases" in entry:
        return TESTCASES + calibrated
    return f"{entry['split']} {entry['n_shot']}-shot M={entry['n_aug']}{calibrated}"
