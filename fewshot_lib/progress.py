"""How far a run has come, wherever somebody is looking: notebook, terminal, or a command."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

REFRESH = 1.0  # seconds between two updates


class Progress:
    """Progress of one run over its epochs.

    In a notebook one line is updated in place, in a terminal likewise. When the environment
    variable ``FEWSHOT_PROGRESS`` names a file, events are appended to it as JSON lines, for the
    command that runs the notebook.
    """

    def __init__(self, label: str, epochs: int, episodes: int, start_epoch: int = 0):
        self.label, self.epochs, self.episodes = label, epochs, episodes
        self.start_epoch, self.started, self.shown = float(start_epoch), time.monotonic(), 0.0
        self.handle = notebook_line()

    def episode(self, epoch: int, done: int) -> None:
        """Episode ``done`` of this epoch is over; shown at most once a second.

        The first one is slow, as memory comes and kernels are chosen: time is taken after it.
        """
        if not self.shown:
            self.start_epoch, self.started = epoch - 1 + done / self.episodes, time.monotonic()
        if time.monotonic() - self.shown >= REFRESH:
            self.shown = time.monotonic()
            self.say(epoch - 1 + done / self.episodes, f"epoch {epoch}/{self.epochs}")

    def epoch(self, epoch: int, row: dict[str, float]) -> None:
        """An epoch is over and ``row`` is its line of the history."""
        accuracy = f"validation {100 * row['val_accuracy']:.1f} %"
        self.say(epoch, f"epoch {epoch}/{self.epochs}, {accuracy}", epoch)

    def say(self, done: float, text: str, epoch: int | None = None) -> None:
        elapsed = time.monotonic() - self.started
        progress = done - self.start_epoch
        left = elapsed / progress * (self.epochs - done) if progress > 0 else None
        ending = f", {duration(left)} left" if left else ""
        self.show(f"{self.label}: {text}{ending}", done >= self.epochs)
        self.record(done, epoch, left)

    def show(self, line: str, last: bool) -> None:
        if self.handle is not None:
            self.handle.update({"text/plain": line}, raw=True)
        elif sys.stderr.isatty():
            print(f"\r{line:<100.100}", end="\n" if last else "", file=sys.stderr, flush=True)

    def record(self, done: float, epoch: int | None, left: float | None) -> None:
        record(
            event="episode" if epoch is None else "epoch",
            run=self.label,
            epoch=done if epoch is None else epoch,
            epochs=self.epochs,
            seconds_left=left,
        )


def announce(text: str) -> None:
    """Say something that the user should know, here and in the command that runs the notebook."""
    print(text, file=sys.stderr, flush=True)
    record(event="note", text=text)


def record(**event: Any) -> None:
    """Append an event to the file that ``FEWSHOT_PROGRESS`` names, if it does."""
    if name := os.environ.get("FEWSHOT_PROGRESS"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


def notebook_line():
    """A display handle if this is a notebook's kernel, else None."""
    if "ipykernel" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    if not hasattr(get_ipython(), "kernel"):
        return None
    return display({"text/plain": "…"}, raw=True, display_id=True)


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.2 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
