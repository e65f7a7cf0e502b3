"""Is a report what its runs say? Every accuracy in it, computed anew from the weights."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import RESULT, shipped_file
from fewshot_lib.experiments.ledger import Accuracy
from fewshot_lib.experiments.lookup import read_run
from fewshot_lib.experiments.runs import Run
from fewshot_lib.experiments.testcases import TESTCASES, evaluate_testcases
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.weights import FOLDER, load_trained
from fewshot_lib.networks.calibration import CALIBRATED

_TOLERANCE = 5e-5  # half of the last digit a report prints: another machine rounds otherwise

Notebooks = dict[str, list[Accuracy]]  # of ``ledger.read_accuracies``


class Check:
    """A report's accuracies, computed anew.

    Attributes:
        entries: those whose run's weights are there, by notebook.
        gone: names of the runs whose weights are not.
        n_gone: accuracies that cannot be computed for it.
    """

    def __init__(self, report: Path, notebooks: Notebooks, data_dir: str | None = None):
        """
        Args:
            report: folder; weights that were recorded with it come before those in
                ``reports/runs``.
            data_dir: where the images lie, if not where the runs' specs say.
        """
        self.report, self.data_dir = report, data_dir
        names = {entry["run"] for entries in notebooks.values() for entry in entries}
        self.gone = sorted(name for name in names if not self._is_there(name))
        self.entries = {
            notebook: [entry for entry in entries if entry["run"] not in self.gone]
            for notebook, entries in notebooks.items()
        }
        self.n_gone = sum(map(len, notebooks.values())) - self.n_entries

    @property
    def n_entries(self) -> int:
        return sum(map(len, self.entries.values()))

    def differences(self, on_entry: Callable[[], None] = lambda: None) -> Iterator[str]:
        """A line for every accuracy that does not come out as the report has it.

        Args:
            on_entry: called after each accuracy.

        Raises:
            InputError: it is not known where the images lie.
        """
        name, run = None, None
        for notebook, entries in self.entries.items():
            for entry in sorted(entries, key=lambda entry: entry["run"]):
                if entry["run"] != name:  # lets go of the features of the run before
                    name, run = entry["run"], self._run(entry["run"])
                problem = _difference(entry, run)
                on_entry()
                if problem:
                    yield f"{notebook}, run {name}, {_words(entry)}: {problem}"

    def _is_there(self, name: str) -> bool:
        return shipped_file(self.report, name).is_file() or (_folder(name) / RESULT).is_file()

    def _run(self, name: str) -> Run | str:
        """The run, or what is wrong with it."""
        try:
            file = shipped_file(self.report, name)
            if file.is_file():
                run = Run(load_trained(file).spec, file.parent, file.name)
            else:
                run = read_run(_folder(name))
        except InputError as error:
            return str(error)
        if self.data_dir is not None and run.spec.data_dir is not None:
            run = replace(run, spec=run.spec.model_copy(update={"data_dir": self.data_dir}))
        if run.spec.data_dir == FOLDER:
            raise InputError(f"say where the images of {run.spec.source} lie: --data-dir DIR")
        return run


def _folder(name: str) -> Path:
    return runs_folder() / Path(name).name


def _difference(entry: Accuracy, run: Run | str) -> str:
    """What is wrong with one accuracy, "" if nothing is."""
    if isinstance(run, str):
        return run
    try:
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
