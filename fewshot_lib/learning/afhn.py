"""Variants of adversarial training: AFHN's losses, and real images mixed in."""

from collections.abc import Sequence

import torch
from torch import nn

from fewshot_lib.learning.adversarial import PAIR, AdversarialLearner
from fewshot_lib.learning.steps import Metrics, Optimizers
from fewshot_lib.networks import losses
from fewshot_lib.networks.adversarial import Critic, Generator
from fewshot_lib.networks.distances import cosine_similarity
from fewshot_lib.networks.encoder import feature_size
from fewshot_lib.spec.parameters import Spec


class AFHNLearner(AdversarialLearner):
    """Adversarial Feature Hallucination Networks (Li et al. 2020), trained from scratch.

    The critic is a conditional WGAN with gradient penalty, real queries are classified from the
    fakes of the supports by cosine, and the anti-collapse ratio keeps fakes apart. The critic
    steps before the generator. Unlike the paper, the extractor is not pretrained: it learns from
    the real episode and from the queries classified by fakes.
    """

    judge = Critic
    # The gradient penalty is learned through a gradient, which no compiler takes.
    compiled = ("extractor_loss", "resting_features", "fooling")

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

    def fooling(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        support, query = self.support_and_query(features)
        fakes, noise = self.fakes(support)
        logits = cosine_similarity(query, fakes.flatten(1, 2).mean(1))
        loss = (
            -self.discriminator(fakes, support.unsqueeze(-2)).mean()
            + losses.classification_loss(logits)
            + losses.anti_collapse_loss(fakes, noise)
        )
        return loss, {"generator_loss": loss}

    def judging(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        support, _ = self.support_and_query(features)
        with torch.no_grad():
            fakes, _ = self.fakes(support)
        loss = losses.critic_loss(self.discriminator, support, fakes)
        return loss, {"discriminator_loss": loss}


class MixedLearner(AFHNLearner):
    """Adversarial hallucination that is trained for how it is used.

    The other variants train a generator and then test the extractor alone, or classify by fakes
    alone. Here a prototype is the mean of real supports and their ``n_aug`` fakes, in training as
    in the test, and queries are compared by the network's own distance:

    1. Extractor and generator together: classify the queries by mixed prototypes.
    2. Critic: tell real supports from fakes, given the support (AFHN's).
    3. Generator: the same as in 1 and, with the weight ``gan_weight``, convince the critic and
       keep fakes apart.

    Fakes live among the encoder's features, before the head, as Problem 2's do. The generator
    adds to the real feature, and adds nothing at first: AFHN's one-sided ratio is infinite there,
    so the original's two-sided form keeps fakes apart. All rates fall together: at a constant one
    generator and critic undo at the end what the first step has gained.
    """

    scheduled = ("main", "generator", "discriminator")

    def __init__(self, spec: Spec):
        super().__init__(spec)
        self.generator = Generator(feature_size(spec.image_size), residual=True)

    def features_of(self, images: torch.Tensor) -> torch.Tensor:
        """Encoder features ``(n_way, n_shot + n_query, d)``; fakes live among these."""
        return self.by_class(self.raw_to_learn(images))

    def optimizers(self) -> Optimizers:
        together = nn.ModuleList([self.net, self.distance, self.generator])
        return super().optimizers() | {"main": self.main_optimizer(together)}

    def extractor_loss(self, images: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        features = self.features_of(images)
        support, _ = self.support_and_query(features)
        logits = self.mixed_logits(features, self.noise(support, self.spec.n_aug))
        loss = losses.classification_loss(logits)
        return loss, {"loss": loss, "accuracy": losses.accuracy(logits.detach())}

    def mixed_logits(self, features: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Logits of the real queries against prototypes of real supports and their fakes."""
        support, query = self.support_and_query(features)
        prototypes = self.embed(self.generator.mix(support, noise)).mean(1)
        return self.distance.compare(self.embed(query), prototypes)

    def embed_mixed(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None
    ) -> torch.Tensor:
        return self.embed(self.generator.mix(raw, self.noise(raw, n_aug, generator)))

    def spaces(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None = None
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        fakes, mlp = self.fakes(raw, n_aug, generator)[0], self.net.mlp
        return {"before MLP": (raw, fakes), "after MLP": (mlp(raw), mlp(fakes))}

    def fooling(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        support, _ = self.support_and_query(features)
        noise = self.noise(support, max(PAIR, self.spec.n_aug))
        noises = noise[..., :PAIR, :]
        pair = self.generator(support, noises)
        convincing = -self.discriminator(pair, support.unsqueeze(-2)).mean()
        apart = losses.cosine_diversity_loss(pair, noises)
        loss = losses.classification_loss(self.mixed_logits(features, noise))
        loss = loss + self.spec.gan_weight * (convincing + apart)
        return loss, {"generator_loss": loss}
