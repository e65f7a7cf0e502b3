"""What the terminal shows while notebooks run."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

from fewshot_lib.progress import duration


class Display:
    """One live line in a terminal; elsewhere a line per notebook and per training run.

    Used as a context manager, and as the file that a notebook's stderr goes to: what begins with a
    carriage return is the progress of a training.
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self.total, self.number, self.place = total, 0, ""
        self.stream = stream or sys.stderr
        self.bar = tqdm(
            file=self.stream, disable=None, leave=False, dynamic_ncols=True, bar_format="{desc}"
        )

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def start(self, name: str) -> None:
        """A notebook begins."""
        self.number += 1
        self.name, self.place = name, f"[{self.number}/{self.total}] {name}"
        self.began, self.seen = time.monotonic(), set()
        if self.bar.disable:
            self._print(f"{self.place} …")

    def on_cell(self, done: int, total: int) -> None:
        self.place = f"[{self.number}/{self.total}] {self.name}, cell {done}/{total}"
        self.bar.set_description_str(self.place)

    def end(self, text: str) -> None:
        """The notebook is over; ``text`` says how it went."""
        took = duration(time.monotonic() - self.began)
        self._print(f"[{self.number}/{self.total}] {self.name}: {text} ({took})")

    def write(self, text: str) -> None:
        """Take what a notebook's kernel wrote to stderr."""
        for part in text.split("\r"):
            if "\n" in part or "\r" not in text:
                self._print(part.strip("\n"))
            else:
                self._show_training(part.strip())

    def _show_training(self, text: str) -> None:
        """Show ``epoch 3/30, 00:41 left, label``; without a terminal once for each label."""
        if text.count(", ") < 2:  # it is over
            return self.bar.set_description_str(self.place)
        epoch, left, label = text.split(", ", 2)
        if not self.bar.disable:
            self.bar.set_description_str(f"{epoch}, {left} · {self.place} · {label}")
        elif (run := label.partition(", ")[0]) not in self.seen and "?" not in left:
            self.seen.add(run)
            self._print(f"  training {run}: {epoch}, {left}")
        return None

    def flush(self) -> None:
        """There is nothing to wait for."""

    def _print(self, text: str) -> None:
        tqdm.write(text, file=self.stream)
