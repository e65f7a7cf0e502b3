"""What the terminal shows while notebooks run."""

import json
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from fewshot_lib.progress import duration

POLL = 0.5  # seconds between two looks at the events
VARIABLE = "FEWSHOT_PROGRESS"


class Display:
    """One live line in a terminal; elsewhere a line per notebook and per training run.

    Used as a context manager; inside, kernels that are started write their progress to a file
    named by the environment variable ``FEWSHOT_PROGRESS``, which a thread reads.
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self.total, self.stream = total, stream or sys.stderr
        self.live = self.stream.isatty()
        self.number, self.name, self.cell, self.event = 0, "", "", {}
        self.began, self.seen, self.position = time.monotonic(), set(), 0
        self.lock, self.stopped = threading.Lock(), threading.Event()

    def __enter__(self) -> "Display":
        self.folder = tempfile.TemporaryDirectory(prefix="fewshot-")
        self.file = Path(self.folder.name) / "progress.jsonl"
        self.file.touch()
        self.before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(self.file)
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopped.set()
        self.thread.join()
        if self.before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = self.before
        self.folder.cleanup()
        self.clear()

    def start(self, name: str) -> None:
        """A notebook begins."""
        with self.lock:
            self.number += 1
            self.name, self.cell, self.event = name, "", {}
            self.began, self.seen = time.monotonic(), set()
            if not self.live:
                self.write(f"[{self.number}/{self.total}] {name} …")

    def on_cell(self, done: int, total: int) -> None:
        with self.lock:
            self.cell, self.event = f"cell {done}/{total}", {}

    def end(self, text: str) -> None:
        """The notebook is over; ``text`` says how it went."""
        self.read()
        with self.lock:
            took = duration(time.monotonic() - self.began)
            self.write(f"[{self.number}/{self.total}] {self.name}: {text} ({took})")
            self.name = ""

    def poll(self) -> None:
        while not self.stopped.wait(POLL):
            self.read()
            with self.lock:
                if self.live and self.name:
                    self.stream.write(f"\r\x1b[K{self.line()}")
                    self.stream.flush()

    def read(self) -> None:
        """Take in the events that were written since the last look; whole lines only."""
        with self.lock:
            with self.file.open("rb") as file:
                file.seek(self.position)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self.position += len(whole)
            for line in whole.splitlines():
                try:
                    self.take(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue  # a line that another process cut short

    def take(self, event: dict[str, Any]) -> None:
        if event.get("event") == "note":
            return self.write(f"  {event['text']}")
        run = event["run"]
        if not self.live and run not in self.seen:
            left = event.get("seconds_left")
            if left is None and event.get("event") == "episode":
                return None  # a later one tells how long it takes
            about = f", about {duration(left)}" if left is not None else ""
            self.write(f"  training {run}: {event['epochs']} epochs{about}")
        self.seen.add(run)
        self.event = event
        return None

    def line(self) -> str:
        """The live line, cut to the terminal's width."""
        parts = [f"[{self.number}/{self.total}] {self.name}", self.cell]
        if self.event:
            epoch = math.ceil(self.event["epoch"])  # 2.4 epochs are done: in the third
            parts += [str(self.event["run"]), f"epoch {epoch}/{self.event['epochs']}"]
            if self.event.get("seconds_left") is not None:
                parts.append(f"{duration(self.event['seconds_left'])} left")
        parts.append(f"{duration(time.monotonic() - self.began)} so far")
        return " · ".join(part for part in parts if part)[: shutil.get_terminal_size().columns - 1]

    def write(self, text: str) -> None:
        self.clear()
        self.stream.write(text + "\n")
        self.stream.flush()

    def clear(self) -> None:
        if self.live:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
