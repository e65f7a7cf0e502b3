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

from fewshot_lib.paths import write_text

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
