"""The original's adversarial training with the losses of AFHN."""

from collections.abc import Sequence

import torch

from fewshot_lib.learning.adversarial import AdversarialLearner
from fewshot_lib.learning.steps import Metrics, Optimizers
from fewshot_lib.networks import losses
from fewshot_lib.networks.adversarial import Critic
from fewshot_lib.networks.distances import cosine_similarity


class AFHNLossesLearner(AdversarialLearner):
    """The losses of Adversarial Feature Hallucination Networks (Li et al. 2020), not the method.

    The critic is a conditional WGAN with gradient penalty, real queries are classified from the
    fakes of the supports by cosine, and the anti-collapse ratio keeps fakes apart. The critic
    steps before the generator. All else is the original's: the extractor learns in every step,
    from the real episode and from the queries classified by fakes, and works alone in the test.
    The paper pretrains and freezes it, has wider networks, and trains a classifier on some hundred
    fakes in the test.
    """

    discriminator_type = Critic
    # The gradient penalty is learned through a gradient, which no compiler takes.
    compiled = ("loss_of_extractor", "embed_at_rest", "loss_of_generator")

    def fake_weight(self) -> torch.Tensor:
        """λ, 1 unless given: this generator's loss may be negative and cannot set it."""
        return torch.full_like(self.generator_loss, self.spec.fake_weight or 1.0)

    def adversarial_steps(
        self, features: Sequence[tuple[torch.Tensor]], optimizers: Optimizers
    ) -> list[list[Metrics]]:
        return [
            self.discriminator_step(features, optimizers["discriminator"]),
            self.generator_step(features, optimizers["generator"]),
        ]

    def fake_logits(self, features: torch.Tensor) -> torch.Tensor:
        support, query = self.support_and_query(features)
        prototypes = self.fakes(support)[0].flatten(1, 2).mean(1)
        return cosine_similarity(query, prototypes)

    def loss_of_generator(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        support, query = self.support_and_query(features)
        fakes, noise = self.fakes(support)
        logits = cosine_similarity(query, fakes.flatten(1, 2).mean(1))
        loss = (
            -self.discriminator(fakes, support.unsqueeze(-2)).mean()
            + losses.classification_loss(logits)
            + losses.anti_collapse_loss(fakes, noise)
        )
        return loss, {"generator_loss": loss}

    def loss_of_discriminator(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        support, _ = self.support_and_query(features)
        with torch.no_grad():
            fakes, _ = self.fakes(support)
        loss = losses.critic_loss(self.discriminator, support, fakes)
        return loss, {"discriminator_loss": loss}
