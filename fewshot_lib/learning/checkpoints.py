"""A training on disk: what it needs to go on, and what it has made so far."""

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pandas as pd
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file, write_text
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.learning.steps import Optimizers
from fewshot_lib.learning.weights import save_weights

STATE, WEIGHTS, HISTORY = "state.pt", "weights.safetensors", "history.csv"
PREVIOUS = "state.previous.pt"  # one epoch older, in case the newest is damaged

Row = dict[str, float]


class WeightAverage(AveragedModel):
    """Average of a learner's weights and statistics (Polyak and Juditsky 1992).

    Args:
        decay: what an older step still counts after one more.
    """

    def __init__(self, learner: PrototypicalLearner, decay: float):
        super().__init__(learner)
        self._approach = get_ema_multi_avg_fn(decay)

    def update(self, learner: PrototypicalLearner) -> None:
        """Take in the weights after one more step.

        ``update_parameters`` sends its counter to the device, for which a GPU waits.
        """
        pairs = list(zip(_tensors(self.module), _tensors(learner), strict=True))
        if self.n_averaged == 0:
            for average, value in pairs:
                average.copy_(value)
        else:
            for floating in (True, False):
                kind = [pair for pair in pairs if pair[0].is_floating_point() == floating]
                self._approach(*map(list, zip(*kind, strict=True)), None)
        self.n_averaged += 1


@dataclass
class Training:
    """Everything that changes in the course of a training.

    Attributes:
        average: None if none is taken.
        history: one row per finished epoch.
    """

    learner: PrototypicalLearner
    optimizers: Optimizers
    average: WeightAverage | None
    history: list[Row] = field(default_factory=list)

    @property
    def judged(self) -> PrototypicalLearner:
        """The learner that is validated and kept: the average, if one is taken."""
        return self.average.module if self.average else self.learner

    def parts(self) -> dict[str, object]:
        """What has a state, by name."""
        average = {"average": self.average} if self.average else {}
        return {"learner": self.learner, **average, **self.optimizers}


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
    with atomic_file(folder / STATE) as path:
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
            return _restore(path, training)
        except InputError:
            if path == paths[-1]:
                raise
    return None


def _restore(path: Path, training: Training) -> None:
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


def _tensors(learner: PrototypicalLearner) -> list[torch.Tensor]:
    """Parameters and buffers, without gradient."""
    return [tensor.detach() for tensor in chain(learner.parameters(), learner.buffers())]
