"""Problem 3: an extractor, a generator and a discriminator that train one another."""

from collections.abc import Sequence

import torch
from torch import nn

from fewshot_lib.errors import InputError
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.learning.steps import Episode, Metrics, Optimizers, descend, draw_noise
from fewshot_lib.networks import losses
from fewshot_lib.networks.adversarial import Discriminator, Extractor, Generator
from fewshot_lib.networks.encoder import NOISE_SIZE, feature_size
from fewshot_lib.spec.parameters import Spec

PAIR = 2  # fakes of one image in training
BETAS = (0.5, 0.9)  # of both Adams
_FIRST_LOSS = 100.0  # what the original takes for the generator's loss before there is one


class AdversarialLearner(PrototypicalLearner):
    """The original's variant: three steps on each episode (or some), each of one network.

    1. Extractor: cross entropy of the real episode plus λ times that of the fake one.
    2. Generator: fool the discriminator, with fakes that differ as their noises do.
    3. Discriminator: tell real from fake.

    λ is 0.5 / the generator's last loss unless ``fake_weight`` is given. In the first step, before
    there is one, it is 0, or the original's 0.005 where supports and queries are batches apart.
    In each step the other two networks are in evaluation mode. Fakes live in the space of the
    extractor's output. The test uses the extractor alone.
    """

    network = Extractor
    encoder_name = "net"
    discriminator_type = Discriminator

    def __init__(self, spec: Spec):
        super().__init__(spec)
        size = feature_size(spec.image_size)
        self.generator = Generator(size)
        self.discriminator = self.discriminator_type(size)
        before = torch.inf if spec.batches == "joint" else _FIRST_LOSS
        self.register_buffer("generator_loss", torch.tensor(before))

    @property
    def training_only(self) -> tuple[str, ...]:
        """Everything but the extractor, unless the test hallucinates too."""
        test_uses = {"generator"} if self.spec.n_aug_test else set()
        return tuple({"generator", "discriminator", "generator_loss"} - test_uses)

    def raw(self, images: torch.Tensor) -> torch.Tensor:
        return self.net.encoder(images).flatten(1)

    def fakes(
        self,
        features: torch.Tensor,
        n_aug: int = PAIR,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``n_aug`` fakes ``(..., n_aug, d)`` of each feature ``(..., d)``, and their noises."""
        noise = self.noise(features, n_aug, generator)
        return self.generator(features, noise), noise

    def noise(
        self, features: torch.Tensor, n_aug: int, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """``(..., n_aug, 128)`` for each feature ``(..., d)``."""
        return draw_noise((*features.shape[:-1], n_aug, NOISE_SIZE), features.device, generator)

    def embed_mixed(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None
    ) -> torch.Tensor:
        if not hasattr(self, "generator"):
            raise InputError("these weights are for the test, which uses no generator")
        real = self.net.mlp(raw)
        mixed = self.generator.mix(real, self.noise(real, n_aug, generator))
        return self.distance.prepare(mixed)

    def spaces(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None = None
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        real = self.net.mlp(raw)
        return {"after MLP": (real, self.fakes(real, n_aug, generator)[0])}

    def optimizers(self) -> Optimizers:
        """As the other methods for the extractor, Adam for generator and discriminator."""
        extractor = nn.ModuleList([self.net, self.distance])
        return {"main": self.main_optimizer(extractor)} | {
            name: torch.optim.Adam(network.parameters(), self.spec.gan_lr, BETAS, fused=True)
            for name, network in self.named_children()
            if name in ("generator", "discriminator")
        }

    def learn(self, episodes: Sequence[Episode], optimizers: Optimizers) -> list[Metrics]:
        """Extractor, generator, discriminator; AFHN has the last two the other way round."""
        images = [(images,) for images, _ in episodes]
        self._train_only(self.net)
        extractor = descend(optimizers["main"], self._loss_of_extractor, images)
        self._train_only(None)
        with torch.no_grad():  # the extractor rests from here on: one encoding serves both steps
            features = [(self._embed_episode(*episode),) for episode in images]
        self._train_only(self.generator)
        generator = descend(optimizers["generator"], self._loss_of_generator, features)
        last = torch.stack([metrics["generator_loss"] for metrics in generator])
        self.generator_loss.copy_(last.mean())
        self._train_only(self.discriminator)
        discriminator = descend(optimizers["discriminator"], self._loss_of_discriminator, features)
        return [a | b | c for a, b, c in zip(extractor, generator, discriminator, strict=True)]

    def _embed_episode(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings ``(n_way, n_shot + n_query, d)`` of an episode's images."""
        return self.net.mlp(self.episode_features(images))

    def _loss_of_extractor(self, images: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        features = self._embed_episode(images)
        real = self._compare(features.unsqueeze(-2))
        fake = self._compare(self.fakes(features)[0])
        real_loss, fake_loss = (losses.classification_loss(x) for x in (real, fake))
        weight = self._fake_weight()
        return real_loss + weight * fake_loss, {
            "loss": real_loss,
            "accuracy": losses.accuracy(real.detach()),
            "fake_loss": fake_loss,
            "fake_weight": weight,
        }

    def _loss_of_generator(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        """The generator's loss on an episode's features ``(n_way, n_shot + n_query, d)``."""
        total = 0
        for part in self.support_and_query(features):
            fakes, noise = self.fakes(part)
            total = total + losses.fooling_loss(self.discriminator(part), self.discriminator(fakes))
            total = total + losses.cosine_diversity_loss(fakes, noise)
            total = total + losses.euclidean_diversity_loss(fakes, noise)
        return total, {"generator_loss": total}

    def _loss_of_discriminator(self, features: torch.Tensor) -> tuple[torch.Tensor, Metrics]:
        """The discriminator's loss on an episode's features; a sum where batches are apart."""
        joint = self.spec.batches == "joint"
        loss = 0
        for part in (features,) if joint else self.support_and_query(features):
            with torch.no_grad():
                fakes, _ = self.fakes(part)
            real, fake = self.discriminator(part), self.discriminator(fakes)
            loss = loss + losses.discriminator_loss(real, fake)
        return loss, {"discriminator_loss": loss}

    def _compare(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of an episode given as ``(n_way, n_shot + n_query, m, d)``, m of each image."""
        support, query = self.support_and_query(features)
        return self.distance(query.flatten(1, 2), support.flatten(1, 2).mean(1))

    def _fake_weight(self) -> torch.Tensor:
        """λ, the weight of the fake episode in the extractor's step."""
        if self.spec.fake_weight is not None:
            return torch.full_like(self.generator_loss, self.spec.fake_weight)
        return 0.5 / self.generator_loss

    def _train_only(self, network: nn.Module | None) -> None:
        """Put this network into training mode and the rest into evaluation mode."""
        self.eval()
        if network is not None:
            network.train()
