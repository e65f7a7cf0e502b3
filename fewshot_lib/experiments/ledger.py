"""What a report tells of itself: how far it is, in ``run.json``, and all its accuracies.

While a notebook of a report runs, ``FEWSHOT_RESULTS`` names a file that takes one JSON line for
each accuracy that is computed. The report gathers them in its ``result.json``.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import RESULT, STATUS, find_folder
from fewshot_lib.files import runs_folder, write_text
from fewshot_lib.spec.problems import PROBLEMS, ReportParams

WAITING, RUNNING, COMPLETE = "waiting", "running", "complete"
FAILED, INTERRUPTED = "failed", "interrupted"
_VARIABLE = "FEWSHOT_RESULTS"

# One accuracy: run and hash of its weights; mean, ci95 and n; and what it takes to judge again,
# the name of a file of test cases or the arguments of ``Run.evaluate``.
Accuracy = dict[str, Any]


class Status:
    """State of every notebook in one output folder, saved at each change.

    Attributes:
        profile: the profile this folder was last made from.
        provenance: versions, device and the like, shown in the footer.
        entries: name of a notebook to its state, file names, times and error.
    """

    def __init__(self, folder: Path, profile: str, provenance: dict[str, str]):
        self.path, self.profile, self.provenance = folder / STATUS, profile, provenance
        try:
            self.entries = read_notebooks(folder)
            for entry in self.entries.values():
                if entry["state"] in (RUNNING, WAITING):  # and never came to its end
                    entry["state"] = INTERRUPTED
        except (InputError, KeyError):
            self.entries = {}  # none there, or not ours: begin anew

    def update(self, name: str, **fields: Any) -> None:
        """Change one notebook's entry and save."""
        self.entries[name] = self.entries.get(name, {}) | fields
        self.save()

    def start(self, name: str, **fields: Any) -> None:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self.entries[name] = fields | {"state": RUNNING, "started": started}
        self.save()

    def finish(self, name: str, state: str, error: str | None = None, **fields: Any) -> None:
        ended = datetime.now(UTC)
        seconds = (ended - datetime.fromisoformat(self.entries[name]["started"])).total_seconds()
        times = {"ended": ended.isoformat(timespec="seconds"), "seconds": round(seconds, 1)}
        self.update(name, state=state, error=error, **times, **fields)

    def save(self) -> None:
        content = {"profile": self.profile, "provenance": self.provenance}
        content["notebooks"] = self.entries
        write_text(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_notebooks(report: Path) -> dict[str, dict[str, Any]]:
    """What the report's ``run.json`` tells of each notebook, by name.

    Raises:
        InputError: the file is damaged.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        notebooks = json.loads((report / STATUS).read_text("utf-8"))["notebooks"]
        if all(isinstance(entry, dict) for entry in notebooks.values()):
            return notebooks
    raise InputError(f"{report / STATUS} is damaged: make the report again")


def complete_params(notebooks: dict[str, dict[str, Any]]) -> dict[str, ReportParams]:
    """Parameters of the problems that ``run.json`` calls complete, by name."""
    return {
        name: PROBLEMS[name].check(notebooks[name]["parameters"])
        for name in PROBLEMS
        if notebooks.get(name, {}).get("state") == COMPLETE
    }


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
        self.path = folder / RESULT
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
            result = json.loads((runs_folder() / run / RESULT).read_text("utf-8"))
            found[run] = {k: result.get(k) for k in ("finished", "commit", "threads", "seconds")}
        return found


def read_accuracies(report: str) -> tuple[Path, dict[str, list[Accuracy]]]:
    """The report of this name or path, and its accuracies by notebook.

    Raises:
        InputError: there is none, or it is damaged.
    """
    folder = find_folder(report)
    try:
        notebooks = json.loads((folder / RESULT).read_text("utf-8"))
        for entry in (entry for entries in notebooks.values() for entry in entries):
            float(entry["mean"]), float(entry["ci95"]), int(entry["n"])
            str(entry["run"]), str(entry["weights"])
        return folder, notebooks
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        message = f"{folder / RESULT} is missing or damaged: make the report again"
        raise InputError(message) from None
