"""Which accuracies a report is made of: written down where they are computed.

While a notebook of a report runs, ``FEWSHOT_RESULTS`` names a file that takes one JSON line for
each accuracy. The report gathers them in its ``result.json``.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fewshot_lib.files import write_text

VARIABLE = "FEWSHOT_RESULTS"
RESULTS = "result.json"

Entry = dict[str, Any]


def note_accuracy(run: str, weights: str, accuracy: tuple[float, float, int], **how: Any) -> None:
    """Write down an accuracy, if somebody collects them.

    Args:
        run: name of the run's folder.
        weights: hash of its weights file.
        accuracy: mean, half width of the 95 % interval, number of episodes.
        how: what is needed to compute it again; what is False goes without saying.
    """
    if name := os.environ.get(VARIABLE):
        mean, ci95, n = accuracy
        entry = {"run": run, "weights": weights, "mean": mean, "ci95": ci95, "n": n}
        entry |= {key: value for key, value in how.items() if value is not False}
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


class Results:
    """``result.json`` of a report: the accuracies of each of its notebooks."""

    def __init__(self, folder: Path):
        self.path = folder / RESULTS
        try:
            self.entries: dict[str, list[Entry]] = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            self.entries = {}  # none there, or not ours: begin anew

    @contextlib.contextmanager
    def collected(self, name: str) -> Iterator[None]:
        """Gather what is computed inside the block, by this process or its children."""
        with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
            file = Path(folder) / "accuracies.jsonl"
            os.environ[VARIABLE] = str(file)
            try:
                yield
            finally:
                del os.environ[VARIABLE]
                lines = file.read_text("utf-8").splitlines() if file.exists() else []
                self.entries[name] = [json.loads(line) for line in dict.fromkeys(lines)]
                write_text(self.path, json.dumps(self.entries, indent=1) + "\n")


STATUS = "run.json"
WAITING, RUNNING, COMPLETE = "waiting", "running", "complete"
FAILED, INTERRUPTED = "failed", "interrupted"


class Status:
    """State of every notebook in one output folder, saved at each change.

    Attributes:
        profile: the profile this folder was last made from.
        provenance: versions, device and the like, shown in the footer.
        entries: name of a notebook to its state, file names, times and error.
    """

    def __init__(self, folder: Path, profile: str, provenance: dict[str, str]):
        self.path, self.profile, self.provenance = folder / STATUS, profile, provenance
        self.entries = earlier(self.path)

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
        content = {
            "profile": self.profile,
            "provenance": self.provenance,
            "notebooks": self.entries,
        }
        write_text(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def earlier(path: Path) -> dict[str, dict[str, Any]]:
    """Entries of an earlier call; what was running then never came to its end."""
    try:
        entries = json.loads(path.read_text("utf-8"))["notebooks"]
        for entry in entries.values():
            if entry["state"] in (RUNNING, WAITING):
                entry["state"] = INTERRUPTED
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # none there, or not ours: begin anew
    return entries
