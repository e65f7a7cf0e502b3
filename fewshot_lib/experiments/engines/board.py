"""Progress of many runs at once, in one line."""

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fewshot_lib.experiments.engines.jobs import Job
from fewshot_lib.progress import Progress, announce
from fewshot_lib.spec.words import run_title


class Board(Progress):
    """Adds up what the runs write to their event files; shown where a single run's would be.

    Args:
        engine: what the line says about how they are made.
    """

    def __init__(self, jobs: list[Job], engine: str):
        self.ahead = {job.name: job.spec.epochs for job in jobs}
        self.labels = {job.name: run_title(job.spec) for job in jobs}
        self.done_epochs: dict[str, float] = {}
        self.complete = 0
        super().__init__(f"{len(jobs)} runs, {engine}", sum(self.ahead.values()), 1)

    def take(self, name: str, line: bytes) -> None:
        """A line of this run's event file."""
        try:
            event = json.loads(line)
            if event["event"] == "note":
                return announce(event["text"])
            if event["run"] != self.labels[name]:
                return None  # of the classifier that the run starts from
            epochs = float(event["epoch"])
        except (ValueError, KeyError, TypeError):
            return None  # cut short by the end of its process
        if name not in self.done_epochs:  # epochs of an earlier call took no time in this one
            self.start_epoch += max(0, math.ceil(epochs) - 1)
        self.done_epochs[name] = epochs
        return None

    def finish(self, name: str) -> None:
        """This run is over, well or not."""
        self.complete += 1
        if name not in self.done_epochs:
            self.start_epoch += self.ahead[name]
        self.done_epochs[name] = self.ahead[name]
        self.tell()

    def look(self) -> None:
        """Show the line, at most once a second."""
        if time.monotonic() - self.shown >= 1:
            self.shown = time.monotonic()
            self.tell()

    def tell(self) -> None:
        done = sum(self.done_epochs.values())
        self.say(done, f"{self.complete} complete, epoch {math.ceil(done)}/{self.epochs} of all")


class Events:
    """Event files of a folder, ``<name of the run>.jsonl``, read bit by bit."""

    def __init__(self, folder: Path):
        self.folder, self.positions = folder, {}

    def new(self) -> list[tuple[str, bytes]]:
        """Whole lines written since the last call, with the names of their runs."""
        found = []
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self.positions.get(path, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self.positions[path] = self.positions.get(path, 0) + len(whole)
            found += [(path.stem, line) for line in whole.splitlines()]
        return found


@contextlib.contextmanager
def meanwhile(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Repeat an action in a thread, and do it a last time at the block's end."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        action()
