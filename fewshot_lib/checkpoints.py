"""A training on disk: what it needs to go on, and what it has made so far."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from fewshot_lib.averaging import WeightAverage
from fewshot_lib.data import ImageBank
from fewshot_lib.errors import InputError
from fewshot_lib.learners import Optimizers, PrototypicalLearner
from fewshot_lib.paths import replacing, write_text
from fewshot_lib.trained import save_weights

STATE, WEIGHTS, HISTORY = "state.pt", "weights.safetensors", "history.csv"
PREVIOUS = "state.previous.pt"  # one epoch older, in case the newest is damaged

Row = dict[str, float]


@dataclass
class Training:
    """Everything that changes in the course of a training.

    Attributes:
        history: one row per finished epoch.
    """

    learner: PrototypicalLearner
    optimizers: Optimizers
    average: WeightAverage
    history: list[Row] = field(default_factory=list)

    @property
    def judged(self) -> PrototypicalLearner:
        """The learner that is validated and kept: the average, if one is taken."""
        return self.average.learner or self.learner

    def parts(self) -> dict[str, object]:
        """What has a state, by name."""
        return {"learner": self.learner, "average": self.average, **self.optimizers}


def save(folder: Path, training: Training, bank: ImageBank) -> None:
    """Write best weights and history, the state last: a crash before it repeats the epoch.

    Args:
        bank: what is learned from.
    """
    history = training.history
    if max(history, key=lambda row: row["val_accuracy"]) is history[-1]:
        save_weights(folder / WEIGHTS, training.judged, bank)
    write_text(folder / HISTORY, pd.DataFrame(history).to_csv(index=False))
    state = {name: part.state_dict() for name, part in training.parts().items()}
    with replacing(folder / STATE) as path:
        torch.save(state | {"history": history}, path)
        if (folder / STATE).exists():
            (folder / STATE).replace(folder / PREVIOUS)


def load(folder: Path, training: Training) -> None:
    """Restore the last finished epoch, if there is one.

    The epoch before it serves if its file is damaged: the lost one is then trained again.

    Raises:
        InputError: no file is sound.
    """
    paths = [folder / name for name in (STATE, PREVIOUS) if (folder / name).exists()]
    for path in paths:
        try:
            return restore(path, training)
        except InputError:
            if path == paths[-1]:
                raise
    return None


def restore(path: Path, training: Training) -> None:
    """Put everything into the saved state."""
    try:
        device = next(training.learner.parameters()).device
        state = torch.load(path, map_location=device, weights_only=True)
        for name, part in training.parts().items():
            part.load_state_dict(state[name])
        training.history = state["history"]
    except Exception as error:  # torch's own messages run over many lines
        reason = f"damaged or of another version, {type(error).__name__}"
        raise InputError(f"cannot resume from {path} ({reason}): delete it to start over") from None
