"""How far a run has come, wherever somebody is looking: notebook, terminal, or a command."""

import math
import os
import sys
from typing import Any

from tqdm import tqdm

REPORT = "FEWSHOT_REPORT"  # set by the command that runs the notebook: the report's folder
# Narrow terminals cut the end. A comma precedes the label.
_BAR = "{desc} {bar} {remaining} left{postfix}"
_LINE = "{desc}, {remaining} left{postfix}"


class Progress:
    """Progress of one run over its epochs.

    A notebook and a terminal show a bar. A notebook that ``fewshot report`` runs writes it to
    stderr, which the command shows and pages leave out. Elsewhere nothing is shown.
    """

    def __init__(self, label: str, epochs: int, episodes: int, start_epoch: int = 0):
        self.label, self.epochs, self.episodes = label, epochs, episodes
        kind, options = _kind()
        self.bar = kind(
            desc=f"epoch {min(start_epoch + 1, epochs)}/{epochs}",
            postfix=label,
            total=epochs,
            initial=start_epoch,
            mininterval=1,  # seconds between two updates
            miniters=0,
            **options,
        )

    def episode(self, epoch: int, done: int) -> None:
        """Episode ``done`` of this epoch is over."""
        self.say(epoch - 1 + done / self.episodes)

    def epoch(self, epoch: int, row: dict[str, float]) -> None:
        """An epoch is over and ``row`` is its line of the history."""
        self.say(epoch, f"validation {100 * row['val_accuracy']:.1f} %")

    def say(self, done: float, text: str = "") -> None:
        """So many epochs are done, and ``text`` tells of them."""
        epoch = min(math.floor(done) + 1, self.epochs)
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
        if text:
            self.bar.set_postfix_str(f"{self.label}, {text}", refresh=False)
        self.bar.update(done - self.bar.n)
        if done >= self.epochs:
            self.bar.close()


def _kind() -> tuple[type[tqdm], dict[str, Any]]:
    """The bar for this place, and its options."""
    if not _in_notebook():
        in_terminal_only = {"disable": None, "dynamic_ncols": True}
        return tqdm, {"bar_format": _BAR, **in_terminal_only}
    if REPORT in os.environ:
        return tqdm, {"bar_format": _LINE, "leave": False}
    from tqdm.notebook import tqdm as notebook_bar

    return notebook_bar, {"bar_format": _BAR}


def announce(text: str) -> None:
    """Say something that the user should know, here and in the command that runs the notebook."""
    tqdm.write(text, file=sys.stderr)


def _in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.2 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
