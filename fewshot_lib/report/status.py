"""``run.json``: how far a report has come, true even after the machine lost its power."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fewshot_lib.paths import write_text

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
