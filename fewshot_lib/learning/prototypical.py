"""Problem 1: Prototypical Networks, and what the other methods take over from them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from fewshot_lib.learning.device import Plan
from fewshot_lib.learning.steps import Episode, Metrics, Optimizers, descend
from fewshot_lib.networks.distances import make_distance
from fewshot_lib.networks.encoder import PrototypicalNet, feature_size
from fewshot_lib.networks.losses import accuracy, classification_loss
from fewshot_lib.spec.parameters import Spec


class Features(NamedTuple):
    """Features ``(..., d)`` of images, before and after ``embed``."""

    raw: torch.Tensor
    embedded: torch.Tensor

    def at(self, places: torch.Tensor) -> "Features":
        """Those at these places, ``(*places.shape, d)``."""
        return Features(self.raw[places], self.embedded[places])

    def split(self, n_shot: int) -> tuple["Features", "Features"]:
        """Supports and queries of an episode ``(n_way, n_shot + n_query, d)``."""
        support, query = (part[:, :n_shot] for part in self), (part[:, n_shot:] for part in self)
        return Features(*support), Features(*query)


class PrototypicalLearner(nn.Module):
    """Prototypical Networks (Snell et al. 2017): a class is the mean of its embedded supports.

    A method is split where evaluation can save work: ``raw`` and ``embed`` look at one image
    alone and are computed once per image, ``prototypes`` once per episode.

    Attributes:
        plan: how training steps use the device; evaluation takes no notice of it.
    """

    network: type[nn.Module] = PrototypicalNet
    encoder_name = "net.extractor"  # in the state dict
    training_only: tuple[str, ...] = ()  # parts that the test does without
    frozen = False  # whether it learns from features that its extractor has made once for all

    def __init__(self, spec: Spec):
        super().__init__()
        self.spec = spec
        self.plan = Plan()
        # Drawn first, so that a seed starts every method from the same weights.
        self.distance = make_distance(
            spec.distance,
            feature_size(spec.image_size),
            spec.distance_scale,
            spec.distance_normalise,
        )
        self.net = self.make_network(spec)

    def make_network(self, spec: Spec) -> nn.Module:
        return self.network(spec.image_size, spec.init)

    def start_from(self, pretrained: dict[str, torch.Tensor]) -> None:
        """Take over the network of a pretrained classifier, as far as there is the same here."""
        renamed = {k.replace("net.extractor", self.encoder_name): v for k, v in pretrained.items()}
        own = {k: v for k, v in renamed.items() if k.startswith("net.") and k in self.state_dict()}
        self.load_state_dict(own, strict=False)

    def raw(self, images: torch.Tensor) -> torch.Tensor:
        """Images ``(n, 3, s, s)`` to encoder features ``(n, d)``."""
        return self.net.extractor(images)

    def raw_to_learn(self, images: torch.Tensor) -> torch.Tensor:
        """``raw`` as training computes it, maybe in bfloat16; float32 in any case."""
        if not self.plan.bfloat16:
            return self.raw(images)
        with torch.autocast(images.device.type, torch.bfloat16):
            return self.raw(images).float()

    def episode_features(self, images: torch.Tensor) -> torch.Tensor:
        """Encoder features ``(n_way, n_shot + n_query, d)`` of an episode to learn from.

        Args:
            images: ``(n_way * (n_shot + n_query), 3, s, s)``, class by class, supports first. They
                pass as one batch or, as the spec's ``batches`` says, supports and queries apart.
        """
        images = images.unflatten(0, (self.spec.n_way, -1))
        if self.spec.batches == "joint":
            return self._encode_batch(images)
        parts = self.support_and_query(images)
        return torch.cat([self._encode_batch(part) for part in parts], dim=1)

    def support_and_query(self, episode: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The two parts of what stands for an episode, ``(n_way, n_shot + n_query, ...)``."""
        return episode[:, : self.spec.n_shot], episode[:, self.spec.n_shot :]

    def _encode_batch(self, images: torch.Tensor) -> torch.Tensor:
        """Encoder features ``(n_way, n, d)`` of images ``(n_way, n, 3, s, s)``."""
        batch = images.flatten(0, 1).contiguous(memory_format=self.plan.layout)
        return self.raw_to_learn(batch).unflatten(0, images.shape[:2])

    def embed(self, raw: torch.Tensor) -> torch.Tensor:
        """Encoder features ``(..., d)`` to what the distance compares, ``(..., d)``."""
        return self.distance.prepare(self.net.mlp(raw))

    def prototypes(
        self, support: Features, n_aug: int = 0, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Prototypes ``(..., n_way, d)`` of the supports.

        Args:
            support: ``(..., n_way, n_shot, d)``.
            n_aug: hallucinated features per support; only for methods that hallucinate.
            generator: source of their noise, on the CPU; None: the global one.
        """
        if not n_aug:
            return support.embedded.mean(-2)
        return self.embed_mixed(support.raw, n_aug, generator).mean(-2)

    def queries(
        self, query: Features, n_aug: int = 0, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Queries ``(..., d)`` as the distance compares them; arguments as of ``prototypes``."""
        return query.embedded

    def embed_mixed(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Embeddings ``(..., d)`` of features averaged with ``n_aug`` hallucinated ones each."""
        raise ValueError(f"{type(self).__name__} hallucinates nothing, n_aug must be 0")

    def spaces(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None = None
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Where features can be looked at: real ``(..., d)`` and fake ``(..., n_aug, d)`` ones.

        Args:
            raw: encoder features ``(..., d)``.
        """
        nothing = raw.new_empty(*raw.shape[:-1], 0, raw.shape[-1])
        return {"before MLP": (raw, nothing), "after MLP": (self.net.mlp(raw), nothing)}

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(n_way, n_query, n_way)`` of one episode; images as of ``episode_features``."""
        raw, n_aug = self.episode_features(images), self.spec.n_aug
        support, query = Features(raw, self.embed(raw)).split(self.spec.n_shot)
        prototypes = self.prototypes(support, n_aug)
        return self.distance.compare(self.queries(query, n_aug), prototypes)

    def optimizers(self) -> Optimizers:
        """One optimizer for each part that is trained on its own."""
        return {"main": self.main_optimizer(self)}

    def main_optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        spec = self.spec
        groups, decay = self.parameter_groups(module), spec.weight_decay
        if spec.optimizer == "adam":
            return torch.optim.Adam(groups, spec.lr, weight_decay=decay, fused=True)
        return torch.optim.SGD(groups, spec.lr, spec.momentum, weight_decay=decay, fused=True)

    def parameter_groups(self, module: nn.Module) -> list[dict]:
        """The module's parameters as optimizers take them.

        A group with ``relative_lr`` has that many times the rate of the others.
        """
        return [{"params": list(module.parameters())}]

    def learn(self, episodes: Sequence[Episode], optimizers: Optimizers) -> list[Metrics]:
        """One step of each optimizer on the mean loss of some episodes.

        Args:
            episodes: of each the images ``(n_way * (n_shot + n_query), 3, s, s)``, class by class,
                supports first, and their classes among all of the split, for a learner that tells
                those apart and not the episode's.

        Returns:
            What the history records of each episode, as scalars on the device: loss and accuracy.
        """
        return descend(optimizers["main"], self.episode_loss, episodes)

    def episode_loss(
        self, images: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Metrics]:
        """What an episode is learned by, and what the history records of it."""
        logits = self.logits(images)
        loss = classification_loss(logits)
        return loss, {"loss": loss, "accuracy": accuracy(logits.detach())}
