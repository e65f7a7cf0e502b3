"""How near is a query to a prototype: logits, larger = nearer.

Every module maps queries ``(..., q, d)`` and prototypes ``(..., p, d)`` to logits
``(..., q, p)``; leading dimensions are episodes.
"""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

_EPSILON = 1e-12


def _squared_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances ``(..., q, p)`` between rows of ``(..., q, d)``, ``(..., p, d)``.

    Expanded as |a|^2 - 2ab + |b|^2: one matrix product instead of a (q, p, d) difference.
    """
    squares_a = a.square().sum(-1, keepdim=True)
    squares_b = b.square().sum(-1).unsqueeze(-2)
    return (squares_a + squares_b - 2 * a @ b.transpose(-1, -2)).clamp_min(0)


def cosine_similarity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Cosines ``(..., q, p)`` between rows of ``(..., q, d)`` and ``(..., p, d)``."""
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(-1, -2)


class Distance(nn.Module):
    """A distance, optionally with a learnable temperature.

    Args:
        scale: initial value of a learnable factor on the logits; None leaves them as they are.
        normalise: divide by the feature size to the power of ``growth``, so that logits start
            small whatever the width (Lee et al. 2019, MetaOptNet's Prototypical Network).

    Attributes:
        growth: how the distance of random features grows with their size.
    """

    growth = 1.0

    def __init__(self, scale: float | None = None, normalise: bool = False):
        super().__init__()
        self.normalise = normalise
        self.scale = None if scale is None else nn.Parameter(torch.tensor(float(scale)))

    def forward(self, queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
        return self.compare(self.prepare(queries), self.prepare(prototypes))

    def prepare(self, features: torch.Tensor) -> torch.Tensor:
        """The part that looks at one feature alone: done once per image in an evaluation."""
        return features

    def comparable(self, features: torch.Tensor) -> torch.Tensor:
        """What of prepared features counts: their mean with others is one of equals."""
        return features

    def compare(self, queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
        """Logits of prepared queries and prototypes."""
        logits = self.nearness(queries, prototypes)
        if self.normalise:
            logits = logits / queries.shape[-1] ** self.growth
        return logits if self.scale is None else logits * self.scale

    def nearness(self, queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Euclidean(Distance):
    """-|a - b|^2, squared as in Snell et al. 2017 and in the original run."""

    def nearness(self, queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
        return -_squared_distance(queries, prototypes)


class Cosine(Distance):
    """cos(a, b); without a scale the logits span only [-1, 1] and the softmax stays flat."""

    growth = 0.0

    def comparable(self, features: torch.Tensor) -> torch.Tensor:
        return F.normalize(features, dim=-1)

    def nearness(self, queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
        return cosine_similarity(queries, prototypes)


class Parametric(Distance):
    """-|F(a) - F(b)| / (cos(F(a), F(b)) + 2) with F a trained linear map: the original's own."""

    growth = 0.5

    def __init__(self, size: int, scale: float | None = None, normalise: bool = False):
        super().__init__(scale, normalise)
        self.transform = nn.Linear(size, size)

    def prepare(self, features: torch.Tensor) -> torch.Tensor:
        # Linear, so the mean over shots may be taken before or after it.
        return self.transform(features)

    def nearness(self, queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
        # The root's gradient is infinite at 0, where a query meets its own prototype.
        distance = _squared_distance(queries, prototypes).clamp_min(_EPSILON).sqrt()
        return -distance / (cosine_similarity(queries, prototypes) + 2)


def make_distance(
    name: Literal["euclidean", "cosine", "parametric"],
    size: int,
    scale: float | None = None,
    normalise: bool = False,
) -> Distance:
    """The distance with this name for features of this size."""
    if name == "parametric":
        return Parametric(size, scale, normalise)
    return {"euclidean": Euclidean, "cosine": Cosine}[name](scale, normalise)
