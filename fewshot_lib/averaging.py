"""The exponential average of weights over training steps: steadier than the last ones."""

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fewshot_lib.learners import PrototypicalLearner


class WeightAverage:
    """Average of a learner's weights and statistics (Polyak and Juditsky 1992).

    Args:
        decay: what an older step still counts after one more; 0 takes no average.
    """

    def __init__(self, learner: PrototypicalLearner, decay: float):
        average = get_ema_multi_avg_fn(decay)
        self.model = AveragedModel(learner, multi_avg_fn=average, use_buffers=True)
        self.model = self.model if decay else None

    @property
    def learner(self) -> PrototypicalLearner | None:
        """The learner with averaged weights; None if no average is taken."""
        return self.model and self.model.module

    def update(self, learner: PrototypicalLearner) -> None:
        """Take in the weights after one more step."""
        if self.model:
            self.model.update_parameters(learner)

    def state_dict(self) -> dict:
        return self.model.state_dict() if self.model else {}

    def load_state_dict(self, state: dict) -> None:
        if self.model:
            self.model.load_state_dict(state)
