"""Problem 3, improved: what the generator imagines takes part in the classification."""

import torch

from fewshot_lib import losses
from fewshot_lib.adversarial import PAIR, AFHNLearner
from fewshot_lib.learners import Metrics
from fewshot_lib.networks import Generator, feature_size
from fewshot_lib.spec import Spec


class MixedLearner(AFHNLearner):
    """Adversarial hallucination that is trained for how it is used.

    The other variants train a generator and then test the extractor alone, or classify by fakes
    alone. Here a prototype is the mean of real supports and their ``n_aug`` fakes, in training as
    in the test, and queries are compared by the network's own distance:

    1. Extractor: classify the queries by real prototypes and by mixed ones.
    2. Critic: tell real supports from fakes, given the support (AFHN's).
    3. Generator: make mixed prototypes that classify the real queries and, with the weight
       ``gan_weight``, convince the critic and keep fakes apart.

    The generator adds to the real feature, and adds nothing at first: AFHN's one-sided ratio is
    infinite there, so the original's two-sided form keeps fakes apart.
    """

    def __init__(self, spec: Spec):
        super().__init__(spec)
        self.generator = Generator(feature_size(spec.image_size), residual=True)

    def fake_logits(self, features: torch.Tensor) -> torch.Tensor:
        support, _ = self.support_and_query(features)
        return self.mixed_logits(features, self.fakes(support, self.spec.n_aug)[0])

    def mixed_logits(self, features: torch.Tensor, fakes: torch.Tensor) -> torch.Tensor:
        """Logits of the real queries against prototypes of real supports and their fakes."""
        support, query = self.support_and_query(features)
        n_aug = fakes.shape[-2]
        mixed = torch.lerp(support, fakes.mean(-2), n_aug / (n_aug + 1))
        return self.distance(query, mixed.mean(1))

    def fooling(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        support, _ = self.support_and_query(features)
        fakes, noise = self.fakes(support, max(PAIR, self.spec.n_aug))
        pair, noises = fakes[..., :PAIR, :], noise[..., :PAIR, :]
        convincing = -self.discriminator(pair, support.unsqueeze(-2)).mean()
        apart = losses.cosine_diversity_loss(pair, noises)
        loss = losses.classification_loss(self.mixed_logits(features, fakes))
        loss = loss + self.spec.gan_weight * (convincing + apart)
        return loss, {"generator_loss": loss}
