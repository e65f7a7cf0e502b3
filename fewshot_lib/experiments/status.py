"""How far a report is: the state of its notebooks, in its ``run.json``."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import STATUS, read_notebooks
from fewshot_lib.files import write_text

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
        self.entries = _earlier_entries(folder)

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


def _earlier_entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries of an earlier call; what was running then never came to its end."""
    try:
        entries = read_notebooks(folder)
        for entry in entries.values():
            if entry["state"] in (RUNNING, WAITING):
                entry["state"] = INTERRUPTED
    except (InputError, KeyError):
        return {}  # none there, or not ours: begin anew
    return entries
