"""Accuracy on episodes: every image is encoded once, episodes are judged by its features."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.learning.device import send
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.prototypical import Features, PrototypicalLearner
from fewshot_lib.learning.randomness import stream
from fewshot_lib.networks.calibration import calibrate

# On a CPU the activations of a few images stay in its cache: 8 of 84 px, 58 of 32 px.
# On a GPU those of four million pixels, 570 images of 84 px, take 1.3 GB.
_PIXELS_AT_ONCE = {"cpu": 60_000, "cuda": 4_000_000}
_FEATURES_AT_ONCE = 4096
_EPISODES_AT_ONCE = 64
FAKES_AT_ONCE = 4000  # with 1,024 hidden values each they stay near a CPU's cache


@dataclass(frozen=True)
class Evaluation:
    """The predictions of one learner on a set of episodes.

    Attributes:
        episodes: int64 ``(n_episodes, n_way, n_shot + n_query)``, indices into the bank.
        predictions: ``(n_episodes, n_way, n_query)``, the predicted position of each query's
            class among the episode's classes; right where it equals the row.
    """

    episodes: torch.Tensor
    predictions: torch.Tensor

    @property
    def correct(self) -> torch.Tensor:
        """bool ``(n_episodes, n_way, n_query)``."""
        n_way = self.predictions.shape[1]
        return self.predictions == torch.arange(n_way).view(1, n_way, 1)

    @property
    def accuracies(self) -> torch.Tensor:
        """float64 ``(n_episodes,)``."""
        return self.correct.double().mean(dim=(1, 2))

    @property
    def accuracy(self) -> Interval:
        return Interval.of(self.accuracies)

    def minus(self, other: "Evaluation") -> Interval:
        """Paired difference of accuracies, over the same episodes.

        Raises:
            ValueError: the two were not judged on the same query images.
        """
        n_query = self.predictions.shape[-1]
        same = self.predictions.shape == other.predictions.shape and torch.equal(
            self.episodes[..., -n_query:], other.episodes[..., -n_query:]
        )
        if not same:
            raise ValueError("a paired difference needs the same queries on both sides")
        return Interval.of(self.accuracies - other.accuracies)

    def confusion(self, bank: ImageBank) -> torch.Tensor:
        """Counts ``(n_classes, n_classes)``: row the true class, column the predicted one."""
        classes = bank.labels[self.episodes[..., 0]]
        true = classes.unsqueeze(-1).expand(self.predictions.shape)
        predicted = classes.gather(1, self.predictions.flatten(1)).view_as(true)
        n = len(bank.class_names)
        return torch.bincount((true * n + predicted).flatten(), minlength=n * n).view(n, n)

    def class_accuracies(self, bank: ImageBank) -> pd.Series:
        """Share of right answers for the queries of each class, best first."""
        counts = self.confusion(bank).double()
        rates = counts.diagonal() / counts.sum(1).clamp_min(1)
        return pd.Series(rates.numpy(), bank.class_names).sort_values(ascending=False)


@torch.inference_mode()
def encode(learner: PrototypicalLearner, bank: ImageBank, device: torch.device) -> Features:
    """Features of every image of the bank, each computed once, in evaluation mode and float32.

    Float32 whatever the training computes in: it is a fraction of a training's time, and a result
    then depends on the weights and not on the machine that judges them. A learner whose spec says
    ``flip_test`` gives each image the mean of its encoder features and its mirror image's.
    """
    learner.eval()
    at_once = _PIXELS_AT_ONCE.get(device.type, 1_000_000) // bank.image_size**2
    chunks = torch.arange(len(bank.labels), device=bank.images.device).split(max(1, at_once))
    with _whole_float32():
        parts = [_raw_features(learner, make_batch(bank, chunk, device)) for chunk in chunks]
    raw = torch.cat(parts)
    return Features(raw, torch.cat([learner.embed(part) for part in raw.split(_FEATURES_AT_ONCE)]))


@contextlib.contextmanager
def _whole_float32() -> Iterator[None]:
    """Convolve in IEEE float32 inside the block: PyTorch lets a GPU round to TF32's 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _raw_features(learner: PrototypicalLearner, images: torch.Tensor) -> torch.Tensor:
    """Encoder features ``(n, d)`` of images ``(n, 3, s, s)``, or their means over mirror images."""
    raw = learner.raw(images)
    return (raw + learner.raw(images.flip(-1))) / 2 if learner.spec.flip_test else raw


@dataclass(frozen=True)
class Judge:
    """A learner and all that its predictions depend on beside the episodes.

    Attributes:
        features: of the bank that the episodes index.
        n_aug: hallucinated features per support, and per query where those are mixed too, for
            methods that hallucinate.
        noise: name of the stream that their noise comes from, begun anew for every answer.
        class_means: of the training classes ``(n_classes, d)``, to calibrate prototypes with.
    """

    learner: PrototypicalLearner
    features: Features
    n_aug: int = 0
    noise: tuple[str | int, ...] = ()
    class_means: torch.Tensor | None = None

    def evaluate(self, episodes: torch.Tensor, n_shot: int) -> Evaluation:
        """Predict every query of every episode.

        Args:
            episodes: int64 ``(n_episodes, n_way, n_shot + n_query)``, supports first.
        """
        support, query = episodes[..., :n_shot], episodes[..., n_shot:]
        return Evaluation(episodes, self.predict(support, query.flatten(1)).view(query.shape))

    def predict(self, support: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """The position of the nearest prototype for each query, int64 ``(n_episodes, n_queries)``.

        Args:
            support: int64 ``(n_episodes, n_way, n_shot)``, indices into the bank.
            query: int64 ``(n_episodes, n_queries)``, in any order.
        """
        return torch.cat([block.argmax(-1) for block in self.logits(support, query)]).cpu()

    @torch.inference_mode()
    def logits(self, support: torch.Tensor, query: torch.Tensor) -> Iterator[torch.Tensor]:
        """Logits ``(n, n_queries, n_way)`` of n episodes at a time; arguments as of ``predict``."""
        learner, n_aug, noise = self.learner, self.n_aug, stream(*self.noise)
        learner.eval()
        # Apart from the supports' noise, so that blocks may have any size.
        query_noise = stream("of queries", noise.initial_seed())
        at_once = self._episodes_at_once(support, query)
        blocks = (send(part, self.features.raw.device).split(at_once) for part in (support, query))
        for supports, queries in zip(*blocks, strict=True):
            prototypes = learner.prototypes(self.features.at(supports), n_aug, noise)
            if self.class_means is not None:
                n_shot, distance = support.shape[-1], learner.distance
                prototypes = calibrate(prototypes, n_shot, self.class_means, distance)
            compared = learner.queries(self.features.at(queries), n_aug, query_noise)
            yield learner.distance.compare(compared, prototypes)

    @torch.inference_mode()
    def query_features(self) -> torch.Tensor:
        """Every image of the bank, ``(n, d)``, as it is compared when it is a query."""
        learner, n_aug, noise = self.learner, self.n_aug, stream(*self.noise)
        if not learner.spec.mix_queries:
            return self.features.embedded
        blocks = torch.arange(len(self.features.raw)).split(max(1, FAKES_AT_ONCE // max(1, n_aug)))
        return torch.cat([learner.queries(self.features.at(b), n_aug, noise) for b in blocks])

    def _episodes_at_once(self, support: torch.Tensor, query: torch.Tensor) -> int:
        mixed = support[0].numel() + (query[0].numel() if self.learner.spec.mix_queries else 0)
        return max(1, min(_EPISODES_AT_ONCE, FAKES_AT_ONCE // max(1, mixed * self.n_aug)))
