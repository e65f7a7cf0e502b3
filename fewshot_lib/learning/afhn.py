"""AFHN as published: hallucination on the features of an extractor that rests."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from fewshot_lib.learning.adversarial import BETAS, PAIR
from fewshot_lib.learning.prototypical import Features, PrototypicalLearner
from fewshot_lib.learning.steps import Episode, Metrics, Optimizers, descend, draw_noise
from fewshot_lib.networks import losses
from fewshot_lib.networks.adversarial import ConditionalGenerator, Critic
from fewshot_lib.networks.classifier import linear_classifier
from fewshot_lib.networks.distances import cosine_similarity
from fewshot_lib.networks.encoder import feature_size
from fewshot_lib.spec.parameters import Spec

_CRITIC_STEPS = 3  # of the critic before each of the generator


class AFHNLearner(PrototypicalLearner):
    """Adversarial Feature Hallucination Networks (Li et al. 2020).

    The extractor is that of Problem 1's run, frozen: episodes are drawn from the features of all
    training images, which are computed once. On each, the critic steps three times and the
    generator once. The generator hallucinates two features of each class from the mean of its
    supports and two noises, and its loss has three parts: convince the critic (a conditional WGAN
    with gradient penalty), let real queries be classified by the cosine to each of the two, and
    keep the two apart.

    In the test each class gets ``n_aug`` hallucinated features, and a linear classifier is trained
    on them and the supports. The directions of its weights take the place of prototypes. Without
    hallucinated features this is Problem 1's network, prototypes and all.

    Unlike the paper's, features end without a ReLU, as the head here does, and have length
    ``sqrt(d)``, as their directions alone are compared.
    """

    frozen = True
    training_only = ("discriminator",)

    def __init__(self, spec: Spec):
        super().__init__(spec)
        size = feature_size(spec.image_size)
        self.generator = ConditionalGenerator(size)
        self.discriminator = Critic(size)

    def start_from(self, pretrained: dict[str, torch.Tensor]) -> None:
        """Take over the network and the distance of Problem 1's run."""
        own = {k: v for k, v in pretrained.items() if k in self.state_dict()}
        self.load_state_dict(own, strict=False)

    def optimizers(self) -> Optimizers:
        """Adam for both; the generator's rate falls as the spec says."""
        rate = self.spec.gan_lr
        group = {"params": self.generator.parameters(), "relative_lr": rate / self.spec.lr}
        return {
            "main": torch.optim.Adam([group], rate, BETAS, fused=True),
            "discriminator": torch.optim.Adam(
                self.discriminator.parameters(), rate, BETAS, fused=True
            ),
        }

    def learn(self, episodes: Sequence[Episode], optimizers: Optimizers) -> list[Metrics]:
        """As for other methods, but of features ``(n_way * (n_shot + n_query), d)``, not images."""
        parts = [self._supports_and_queries(features) for features, _ in episodes]
        for _ in range(_CRITIC_STEPS):
            known = descend(optimizers["discriminator"], self._loss_of_critic, parts)
        more = descend(optimizers["main"], self._loss_of_generator, parts)
        return [a | b for a, b in zip(more, known, strict=True)]

    def _supports_and_queries(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Means of the supports ``(n_way, d)`` and queries ``(n_way, n_query, d)``."""
        episode = _directions(features).unflatten(0, (self.spec.n_way, -1))
        support, query = self.support_and_query(episode)
        return support.mean(1), query

    def _loss_of_critic(
        self, support: torch.Tensor, _: torch.Tensor
    ) -> tuple[torch.Tensor, Metrics]:
        with torch.no_grad():
            fakes, _ = self._fakes(support, PAIR)
        loss = losses.critic_loss(self.discriminator, support, fakes)
        return loss, {"discriminator_loss": loss}

    def _loss_of_generator(
        self, support: torch.Tensor, query: torch.Tensor
    ) -> tuple[torch.Tensor, Metrics]:
        fakes, noise = self._fakes(support, PAIR)
        logits = cosine_similarity(query, fakes.transpose(0, 1).unsqueeze(1))  # of each noise
        classified = PAIR * losses.classification_loss(logits)
        convincing = -PAIR * self.discriminator(fakes, support.unsqueeze(-2)).mean()
        loss = convincing + classified + losses.anti_collapse_loss(fakes, noise)
        return loss, {
            "loss": classified / PAIR,
            "accuracy": losses.accuracy(logits.detach()),
            "generator_loss": loss,
        }

    def _fakes(
        self, support: torch.Tensor, n_aug: int, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hallucinated features ``(..., n_aug, d)`` of ``(..., d)``, and their noises."""
        shape = (*support.shape[:-1], n_aug, self.generator.noise_size)
        noise = draw_noise(shape, support.device, generator)
        return self.generator(support, noise), noise

    def prototypes(
        self, support: Features, n_aug: int = 0, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        if not n_aug:
            return support.embedded.mean(-2)
        real = _directions(support.embedded)
        fakes, _ = self._fakes(real.mean(-2), n_aug, generator)
        features = F.normalize(torch.cat([real, fakes], dim=-2), dim=-1)
        if features.shape[-3] == 1:  # there is nothing to tell the class from
            return F.normalize(features.mean(-2), dim=-1)
        return linear_classifier(features)

    def embed_mixed(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None
    ) -> torch.Tensor:
        real = _directions(self.embed(raw))
        noise = draw_noise(
            (*real.shape[:-1], n_aug, self.generator.noise_size), real.device, generator
        )
        return self.generator.mix(real, noise)

    def spaces(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None = None
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        real = _directions(self.embed(raw))
        return {"after MLP": (real, self._fakes(real, n_aug, generator)[0])}


def _directions(features: torch.Tensor) -> torch.Tensor:
    """Features ``(..., d)`` with the length ``sqrt(d)``: their values are about 1."""
    return F.normalize(features, dim=-1) * features.shape[-1] ** 0.5
