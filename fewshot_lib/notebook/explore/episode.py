"""Trying a trained network on one episode at a time, by hand: what ``explore.ipynb`` shows."""

import dataclasses
from typing import NamedTuple

import torch
from sklearn.decomposition import PCA

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.learning.device import default_device
from fewshot_lib.learning.evaluation import encode
from fewshot_lib.learning.prototypical import Features
from fewshot_lib.learning.randomness import stream
from fewshot_lib.learning.weights import Trained
from fewshot_lib.notebook.classes import class_words
from fewshot_lib.spec.parameters import USED_BY

STEPS = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200)  # values of M on a prototype's path
_FAKES_SHOWN = 20  # hallucinated features of one support in the picture


class Answer(NamedTuple):
    """What the network says of an episode's queries.

    Attributes:
        distances: ``(n_way, n_query, n_way)``, of each query to each prototype.
        predicted: ``(n_way, n_query)``, position of the nearest prototype.
    """

    distances: torch.Tensor
    predicted: torch.Tensor

    @property
    def correct(self) -> torch.Tensor:
        """bool ``(n_way, n_query)``."""
        return self.predicted == torch.arange(len(self.predicted)).unsqueeze(1)

    @property
    def score(self) -> str:
        """``17 of 25 right (68 %)``."""
        right, n = int(self.correct.sum()), self.correct.numel()
        return f"{right} of {n} right ({100 * right / n:.0f} %)"


class Movement(NamedTuple):
    """A flat picture of an episode and of the way its prototypes take as M grows.

    The plane is the same for every M of an episode: only the prototypes move.

    Attributes:
        support, query: ``(n_way, n, 2)``.
        fakes: ``(n_way, n_shot * m, 2)``, the first ``m`` <= M of each support.
        path: ``(len(steps), n_way, 2)``, the prototypes at each M of ``steps``.
        corners: ``(2, 2)``, lowest and highest of all that can come into the picture.
        shares: share of the variance that each of the two directions holds.
    """

    support: torch.Tensor
    query: torch.Tensor
    fakes: torch.Tensor
    path: torch.Tensor
    steps: list[int]
    corners: torch.Tensor
    shares: tuple[float, float]


class Explorer:
    """One network, one set of images, one episode of them.

    The noise of a support's hallucinated features depends on the episode's seed and on the
    support alone: its first three at M = 3 are its first three at M = 200.
    """

    def __init__(self, trained: Trained, bank: ImageBank):
        self.trained, self.learner = trained, trained.learner
        self.bank = dataclasses.replace(bank, mean=trained.mean, std=trained.std)

    @property
    def hallucinates(self) -> bool:
        return self.trained.spec.method in USED_BY["n_aug_test"]

    def draw(self, n_way: int, n_shot: int, n_query: int, seed: int = 0) -> None:
        """Draw the episode with this seed; ``episode`` is ``(n_way, n_shot + n_query)``.

        Raises:
            InputError: there are too few classes, or too few images in one.
        """
        generator = stream("explore", seed)
        episode = sample_episodes(self.bank, 1, n_way, n_shot, n_query, generator)[0]
        flat = episode.flatten()
        shown = dataclasses.replace(
            self.bank, images=self.bank.images[flat], labels=self.bank.labels[flat]
        )
        features = encode(self.learner, shown, default_device())
        of_episode = Features(*(part.view(*episode.shape, -1) for part in features))
        self.support, self.query = of_episode.split(n_shot)
        self.episode, self.n_shot, self.seed = episode, n_shot, seed
        self._prototypes: dict[int, torch.Tensor] = {}

    @property
    def names(self) -> list[str]:
        """The episode's classes, in words."""
        words = list(class_words(self.bank).values())
        return [words[i] for i in self.bank.labels[self.episode[:, 0]]]

    @torch.inference_mode()
    def prototypes(self, n_aug: int) -> torch.Tensor:
        """Prototypes ``(n_way, d)`` with ``n_aug`` hallucinated features per support."""
        if n_aug not in self._prototypes:
            mixed = self.support.embedded
            if n_aug:
                mixed = self._each_support(
                    lambda raw, noise: self.learner.embed_mixed(raw, n_aug, noise)
                )
            self._prototypes[n_aug] = mixed.mean(1)
        return self._prototypes[n_aug]

    @torch.inference_mode()
    def fakes(self, n_aug: int) -> torch.Tensor:
        """Hallucinated features ``(n_way, n_shot, n_aug, d)`` where queries meet prototypes."""
        return self._each_support(
            lambda raw, noise: self.learner.distance.prepare(
                self.learner.spaces(raw, n_aug, noise)["after MLP"][1]
            )
        )

    def _each_support(self, compute) -> torch.Tensor:
        """``compute(feature, noise)`` of every support, with a noise of its own."""
        rows = [
            [compute(raw, stream("explore noise", self.seed, i, j)) for j, raw in enumerate(row)]
            for i, row in enumerate(self.support.raw)
        ]
        return torch.stack([torch.stack(row) for row in rows])

    @torch.inference_mode()
    def classify(self, n_aug: int = 0) -> Answer:
        """The nearest prototype of every query of the episode."""
        distances, logits = self.compare(self.queries(n_aug), n_aug)
        return Answer(distances, logits.argmax(-1))

    def queries(self, n_aug: int) -> torch.Tensor:
        """The episode's queries ``(n_way, n_query, d)`` as the distance compares them."""
        noise = stream("explore query noise", self.seed)
        return self.learner.queries(self.query, n_aug, noise)

    def compare(self, queries: torch.Tensor, n_aug: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Distances and logits ``(..., n_way)`` of queries ``(..., n, d)``, see ``queries``."""
        distance, prototypes = self.learner.distance, self.prototypes(n_aug)
        nearness = distance.nearness(queries, prototypes).cpu()
        furthest = 1 if self.trained.spec.distance == "cosine" else 0
        return furthest - nearness, distance.compare(queries, prototypes).cpu()

    @torch.inference_mode()
    def move(self, n_aug: int = 0) -> Movement:
        """The picture with the prototypes' path from M = 0 to ``n_aug``."""
        fakes = self.fakes(_FAKES_SHOWN if self.hallucinates else 0)
        every_step = STEPS if self.hallucinates else (0,)
        steps = sorted({m for m in STEPS if m <= n_aug} | {n_aug})
        whole_path = [self.prototypes(m) for m in every_step]  # of M alike, so the plane stays
        shown = self.support.embedded, self.query.embedded, fakes, *whole_path
        points = torch.cat([features.flatten(0, -2) for features in shown])
        plane = PCA(2, random_state=0).fit(self._flat_space(points).double().numpy())

        def on_plane(features: torch.Tensor) -> torch.Tensor:
            flat = plane.transform(self._flat_space(features).flatten(0, -2).double().numpy())
            return torch.from_numpy(flat).view(*features.shape[:-1], 2)

        seen = on_plane(points)
        return Movement(
            support=on_plane(self.support.embedded),
            query=on_plane(self.queries(n_aug)),
            fakes=on_plane(fakes[:, :, :n_aug].flatten(1, 2)) if n_aug else seen[:0],
            path=on_plane(torch.stack([self.prototypes(m) for m in steps])),
            steps=steps,
            corners=torch.stack([seen.amin(0), seen.amax(0)]),
            shares=tuple(plane.explained_variance_ratio_.tolist()),
        )

    def _flat_space(self, features: torch.Tensor) -> torch.Tensor:
        """Where distances of the picture are those of the network: for cosine on a sphere."""
        return self.learner.distance.comparable(features).cpu()
