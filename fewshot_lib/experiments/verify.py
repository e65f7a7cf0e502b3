"""Is a report what its runs say? Every accuracy in it, computed anew from the weights."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
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


def missing_runs(report: Path, names: Iterable[str]) -> list[str]:
    """Those of these runs whose weights are neither recorded with the report nor in our runs."""
    return sorted(
        name
        for name in set(names)
        if not shipped_file(report, name).is_file() and not (_folder(name) / RESULT).is_file()
    )


def recompute(
    report: Path, accuracies: Iterable[tuple[str, Accuracy]], data_dir: str | None = None
) -> Iterator[str]:
    """One line for each accuracy, run by run: "" if it comes out as the report has it.

    Args:
        report: folder; weights that were recorded with it come before those in ``reports/runs``.
        accuracies: each with the name of its notebook.
        data_dir: where the images lie, if not where the runs' specs say.

    Raises:
        InputError: it is not known where the images lie.
    """
    in_order = sorted(accuracies, key=lambda pair: pair[1]["run"])
    for name, group in groupby(in_order, key=lambda pair: pair[1]["run"]):
        run = _load_run(report, name, data_dir)  # lets go of the features of the run before
        problems = {}  # several notebooks quote the same accuracy
        for notebook, entry in group:
            if (key := str(entry)) not in problems:
                problems[key] = _difference(entry, run)
            problem = problems[key]
            yield problem and f"{notebook}, run {name}, {_words(entry)}: {problem}"


def _load_run(report: Path, name: str, data_dir: str | None) -> Run | str:
    """The run, or what is wrong with it."""
    try:
        file = shipped_file(report, name)
        if file.is_file():
            run = Run(load_trained(file).spec, file.parent, file.name)
        else:
            run = read_run(_folder(name))
    except InputError as error:
        return str(error)
    if data_dir is not None and run.spec.data_dir is not None:
        run = replace(run, spec=run.spec.model_copy(update={"data_dir": data_dir}))
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
    if "testcases" not in entry:
        n_shot, split = entry["n_shot"], entry["split"]
        judge = run.judge(n_shot, entry["n_aug"], split, calibrated)
        return judge.evaluate(run.episodes(entry["n_episodes"], n_shot, split), n_shot).accuracy
    found = evaluate_testcases(run, calibrated)
    if found is None:
        raise InputError(f"{TESTCASES} is no longer there")
    return found


def _words(entry: Accuracy) -> str:
    """What was judged, in a few words: ``val 1-shot M=200``, ``val_testcase.csv, calibrated``."""
    shape = "{split} {n_shot}-shot M={n_aug}"
    words = TESTCASES if "testcases" in entry else shape.format(**entry)
    return words + (CALIBRATED if entry.get("calibrated") else "")
