"""Means with their 95 % intervals: over episodes, over seeds and episodes, and of differences.

An accuracy over S seeds and E episodes is modelled as a sum of independent parts,
``a[s, e] = mu + seed[s] + episode[e] + rest[s, e]``, whose mean has the variance

    V = Var(seed) / S + Var(episode) / E + Var(rest) / (S E).

Sample variances, of the S means over episodes (A), of the E means over seeds (B) and of what is
left of each value after both (R, with (S - 1)(E - 1) degrees of freedom), expect
``Var(seed) + Var(rest) / E``, ``Var(episode) + Var(rest) / S`` and ``Var(rest)``. So

    V = A / S + B / E - R / (S E),   at least the larger of A / S and B / E,

is unbiased but for the bound: the variance over seeds alone leaves the episodes out, which all
seeds share, and A and B together count the rest twice. The half width is t(0.975, df) times the
root of V with Satterthwaite's degrees of freedom

    df = V^2 / ((A / S)^2 / (S - 1) + (B / E)^2 / (E - 1)).

In simulations 95 to 96 % of these intervals hold the true mean where seeds differ no more than the
episodes make them. Where the seeds' part dominates, 88 % do with two seeds, 92 % with three and
95 % with five.

Source: the two-way crossed model with random effects (Searle, Casella and McCulloch, Variance
Components, 1992, chapter 4); Satterthwaite, Biometrics Bulletin 2, 1946.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch


class Interval(NamedTuple):
    """A mean with the half width of its 95 % interval, over ``n`` episodes."""

    mean: float
    ci95: float
    n: int

    @classmethod
    def of(cls, values: torch.Tensor) -> "Interval":
        """mean ± 1.96 · std / √n with the population's std, the field's convention."""
        values = values.double()
        n = values.numel()
        ci95 = 1.96 * values.std(correction=0).item() / math.sqrt(n)
        return cls(values.mean().item(), ci95, n)

    @classmethod
    def over_seeds(cls, values: torch.Tensor) -> "Interval":
        """Mean of ``values (S, E)`` over S seeds and E episodes, for others of both.

        With one seed its part is unknown: the interval is that of ``of`` then, and tells of other
        episodes alone.

        Returns:
            Its ``n`` is the number of episodes.
        """
        values = values.double()
        n_seeds, n_episodes = values.shape
        if 1 in values.shape:
            return cls.of(values)._replace(n=n_episodes)
        mean, by_seed, by_episode = values.mean(), values.mean(1, keepdim=True), values.mean(0)
        rest = values - by_seed - by_episode + mean
        freedom = (n_seeds - 1) * (n_episodes - 1)
        return _of_parts(
            mean.item(),
            (by_seed.var().item() / n_seeds, n_seeds),
            (by_episode.var().item() / n_episodes, n_episodes),
            twice=rest.square().sum().item() / freedom / (n_seeds * n_episodes),
        )

    @classmethod
    def of_seeds(cls, seeds: Sequence["Interval"]) -> "Interval":
        """``over_seeds`` where each seed's mean and interval is all that is known.

        So it is after an epoch, whose single episodes are not stored. All seeds were judged on the
        same episodes, so their half widths do not shrink with the number of seeds; as they are
        they count the rest twice: the interval is a little too wide. A single seed's is left as
        it is.
        """
        n_seeds, n = len(seeds), seeds[0].n
        if n_seeds == 1:
            return seeds[0]
        means = torch.tensor([one.mean for one in seeds], dtype=torch.float64)
        of_episodes = sum((one.ci95 / 1.96) ** 2 for one in seeds) / n_seeds
        of_means = means.var().item() / n_seeds, n_seeds
        return _of_parts(means.mean().item(), of_means, (of_episodes, n))

    @classmethod
    def of_few(cls, values: torch.Tensor) -> "Interval":
        """Mean of a few independent values by Student's t; one tells nothing of the spread."""
        values = values.double().flatten()
        n, mean = len(values), values.mean().item()
        if n == 1:
            return cls(mean, math.inf, n)
        return _of_parts(mean, (values.var().item() / n, n), (0.0, n))

    @property
    def low(self) -> float:
        return self.mean - self.ci95

    @property
    def high(self) -> float:
        return self.mean + self.ci95

    def __abs__(self) -> "Interval":
        """The size of a difference."""
        return self._replace(mean=abs(self.mean))

    def minus(self, other: "Interval") -> "Interval":
        """Difference of two independent means; the half widths add in squares."""
        ci95 = math.hypot(self.ci95, other.ci95)
        return Interval(self.mean - other.mean, ci95, min(self.n, other.n))

    def verdict(self, negligible: float = 0) -> str:
        """What the 95 % interval of a difference says about the claim that it is positive.

        Args:
            negligible: a difference smaller than this is none, however surely it is measured.

        Returns:
            confirmed, contradicted, practically equal, or undecided where the interval contains
            zero.
        """
        if self.low <= 0 <= self.high:
            return "undecided"
        if abs(self.mean) < negligible:
            return "practically equal"
        return "confirmed" if self.mean > 0 else "contradicted"

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f} ± {100 * self.ci95:.2f} %"

    def points(self) -> str:
        """``+3.14 ± 0.92 points``: a difference of shares in percentage points."""
        return f"{100 * self.mean:+.2f} ± {100 * self.ci95:.2f} points".replace("-", "−")

    def seconds(self) -> str:
        """``+3.1 ± 0.9 s``: a difference of durations."""
        return f"{self.mean:+.2f} ± {self.ci95:.2f} s".replace("-", "−")


def _of_parts(
    mean: float, seeds: tuple[float, int], episodes: tuple[float, int], twice: float = 0.0
) -> Interval:
    """The interval from both parts of the mean's variance, each with its sample's size.

    Args:
        twice: what both parts have in common.
    """
    from scipy.special import stdtrit  # the quantiles of Student's t

    (of_seeds, _), (of_episodes, n_episodes) = seeds, episodes
    variance = max(of_seeds + of_episodes - twice, of_seeds, of_episodes)
    if variance == 0:
        return Interval(mean, 0.0, n_episodes)
    df = variance**2 / sum(part**2 / (n - 1) for part, n in (seeds, episodes) if part)
    return Interval(mean, float(stdtrit(df, 0.975)) * math.sqrt(variance), n_episodes)
