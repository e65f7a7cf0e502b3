"""Pretraining: a classifier of all training classes, whose network other methods start from."""

import torch
from torch import nn
from torch.nn import functional as F

from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.learning.steps import Metrics
from fewshot_lib.networks.encoder import feature_size
from fewshot_lib.spec.parameters import Spec


class ClassificationLearner(PrototypicalLearner):
    """An ordinary classifier of all training classes, for others to start from.

    It is trained on the images of episodes, but with their own labels, and validated as a
    Prototypical Network on what its head sees (the first stage of Ye et al. 2020, FEAT). With the
    cosine distance its head scores by cosines too: a class's weights are its prototype, so that
    training asks for what is compared later (Gidaris and Komodakis 2018).
    """

    training_only = ("head",)

    def __init__(self, spec: Spec):
        super().__init__(spec)
        self.head = nn.Linear(feature_size(spec.image_size), spec.n_classes)

    def episode_loss(
        self, images: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Metrics]:
        logits = self.scores(self.embed(self.raw_to_learn(images)))
        loss = F.cross_entropy(logits, labels)
        return loss, {"loss": loss, "accuracy": (logits.argmax(-1) == labels).float().mean()}

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Logits ``(n, n_classes)`` of embedded features ``(n, d)``."""
        if self.spec.distance == "cosine":
            return self.distance.compare(features, self.head.weight)
        return self.head(features)
