"""The exponential average of weights over training steps: steadier than the last ones."""

from itertools import chain

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fewshot_lib.learners import PrototypicalLearner


class WeightAverage:
    """Average of a learner's weights and statistics (Polyak and Juditsky 1992).

    Args:
        decay: what an older step still counts after one more; 0 takes no average.
    """

    def __init__(self, learner: PrototypicalLearner, decay: float):
        self.approach = get_ema_multi_avg_fn(decay)
        self.model = AveragedModel(learner) if decay else None

    @property
    def learner(self) -> PrototypicalLearner | None:
        """The learner with averaged weights; None if no average is taken."""
        return self.model and self.model.module

    def update(self, learner: PrototypicalLearner) -> None:
        """Take in the weights after one more step.

        ``AveragedModel``'s own update sends its counter to the device, for which a GPU waits.
        """
        if self.model is None:
            return
        pairs = list(zip(tensors(self.model.module), tensors(learner), strict=True))
        if self.model.n_averaged == 0:
            for average, value in pairs:
                average.copy_(value)
        else:
            for floating in (True, False):
                kind = [pair for pair in pairs if pair[0].is_floating_point() == floating]
                self.approach(*map(list, zip(*kind, strict=True)), None)
        self.model.n_averaged += 1

    def state_dict(self) -> dict:
        return self.model.state_dict() if self.model else {}

    def load_state_dict(self, state: dict) -> None:
        if self.model:
            self.model.load_state_dict(state)


def tensors(learner: PrototypicalLearner) -> list[torch.Tensor]:
    """Parameters and buffers, without gradient."""
    return [tensor.detach() for tensor in chain(learner.parameters(), learner.buffers())]
