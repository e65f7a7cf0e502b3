"""Which accuracies a report is made of: written down where they are computed.

While a notebook of a report runs, ``FEWSHOT_RESULTS`` names a file that takes one JSON line for
each accuracy. The report gathers them in its ``result.json``.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.files import project_root, runs_folder, write_text

_VARIABLE = "FEWSHOT_RESULTS"
RESULTS = "result.json"

# One accuracy: run and hash of its weights; mean, ci95 and n; and what it takes to judge again,
# the name of a file of test cases or the arguments of ``Run.evaluate``.
Accuracy = dict[str, Any]


def note_accuracy(
    run: str, weights: str, accuracy: tuple[float, float, int], **arguments: Any
) -> None:
    """Write down an accuracy, if a report is being made.

    Args:
        run: name of the run's folder.
        weights: hash of its weights.
        accuracy: mean, half width of the 95 % interval, number of episodes.
        arguments: what is needed to compute it again; those that are False are left out.
    """
    if name := os.environ.get(_VARIABLE):
        mean, ci95, n = accuracy
        entry = {"run": run, "weights": weights, "mean": mean, "ci95": ci95, "n": n}
        entry |= {key: value for key, value in arguments.items() if value is not False}
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


class Results:
    """``result.json`` of a report: the accuracies of each of its notebooks."""

    def __init__(self, folder: Path):
        self.path = folder / RESULTS
        try:
            self.entries: dict[str, list[Accuracy]] = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            self.entries = {}  # none there, or not ours: begin anew

    @contextlib.contextmanager
    def collected(self, name: str) -> Iterator[None]:
        """Gather what is computed inside the block, by this process or its children."""
        with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
            file = Path(folder) / "accuracies.jsonl"
            os.environ[_VARIABLE] = str(file)
            try:
                yield
            finally:
                del os.environ[_VARIABLE]
                lines = file.read_text("utf-8").splitlines() if file.exists() else []
                self.entries[name] = [json.loads(line) for line in dict.fromkeys(lines)]
                write_text(self.path, json.dumps(self.entries, indent=1) + "\n")

    def trainings(self, name: str) -> dict[str, dict[str, Any]]:
        """When, by which commit and on how many threads each run behind a notebook's accuracies was
        trained, and how many seconds it took; None for what a run of an earlier version lacks.
        """
        found = {}
        for run in dict.fromkeys(entry["run"] for entry in self.entries.get(name, [])):
            result = json.loads((runs_folder() / run / RESULTS).read_text("utf-8"))
            found[run] = {k: result.get(k) for k in ("finished", "commit", "threads", "seconds")}
        return found


def read_accuracies(report: str) -> tuple[Path, dict[str, list[Accuracy]]]:
    """The folder of a finished report, and its accuracies by notebook.

    Args:
        report: the folder, or the name of one in ``reports/``.

    Raises:
        InputError: there is none, or it is damaged.
    """
    folders = (Path(report).expanduser(), project_root() / "reports" / report)
    folder = next((folder for folder in folders if (folder / RESULTS).is_file()), None)
    if folder is None:
        raise InputError(f"{report} is no report with a {RESULTS}: make it with 'fewshot report'")
    try:
        notebooks = json.loads((folder / RESULTS).read_text("utf-8"))
        for entry in (entry for entries in notebooks.values() for entry in entries):
            float(entry["mean"]), float(entry["ci95"]), int(entry["n"])
            str(entry["run"]), str(entry["weights"])
        return folder, notebooks
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / RESULTS} is damaged: make the report again") from None
