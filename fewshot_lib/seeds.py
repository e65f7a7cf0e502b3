"""Accuracy over several seeds: how sure is a mean when both seeds and episodes are a sample."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from fewshot_lib.evaluation import Evaluation, Interval, interval


def over_seeds(evaluations: Sequence[Evaluation]) -> Interval:
    """Mean accuracy over seeds, with an interval for other seeds and other episodes.

    Args:
        evaluations: one for each seed, all on the same episodes.

    Raises:
        ValueError: they were judged on different queries.
    """
    for other in evaluations[1:]:
        evaluations[0].minus(other)  # raises
    return mean_interval(torch.stack([e.accuracies for e in evaluations]))


def difference_over_seeds(a: Sequence[Evaluation], b: Sequence[Evaluation]) -> Interval:
    """Mean of accuracy ``a`` minus accuracy ``b``, paired over seeds and episodes.

    Raises:
        ValueError: they were judged on different queries, or the numbers of seeds differ.
    """
    for one, other in zip(a, b, strict=True):
        one.minus(other)  # raises
    pairs = zip(a, b, strict=True)
    return mean_interval(torch.stack([x.accuracies - y.accuracies for x, y in pairs]))


def mean_interval(values: torch.Tensor) -> Interval:
    """Mean of ``values (S, E)`` over S seeds and E episodes with its 95 % interval.

    An accuracy is modelled as a sum of independent parts,
    ``a[s, e] = mu + seed[s] + episode[e] + rest[s, e]``, whose mean has the variance

        V = Var(seed) / S + Var(episode) / E + Var(rest) / (S E).

    Sample variances, of the S means over episodes (A), of the E means over seeds (B) and of what
    is left of each value after both (R, with (S - 1)(E - 1) degrees of freedom), expect
    ``Var(seed) + Var(rest) / E``, ``Var(episode) + Var(rest) / S`` and ``Var(rest)``. So

        V = A / S + B / E - R / (S E),   at least the larger of A / S and B / E,

    is unbiased but for the bound: the variance over seeds alone leaves the episodes out, which
    all seeds share, and the two together count the rest twice. The half width is t(0.975, df)
    times the root of V with Satterthwaite's degrees of freedom

        df = V^2 / ((A / S)^2 / (S - 1) + (B / E)^2 / (E - 1)).

    In simulations with 3 to 5 seeds 93 to 96 % of these intervals hold the true mean, with two
    seeds that differ as much as the episodes make them 92 %. Few seeds that differ much give a
    wide interval. With one seed its spread is unknown: the
    interval is the field's 1.96 · std / √E then, and tells of other episodes alone.

    Source: the two-way crossed model with random effects (Searle, Casella and McCulloch,
    Variance Components, 1992, chapter 4); Satterthwaite, Biometrics Bulletin 2, 1946.

    Returns:
        Its ``n`` is the number of episodes.
    """
    values = values.double()
    n_seeds, n_episodes = values.shape
    mean = values.mean().item()
    if n_seeds == 1 or n_episodes == 1:
        return interval(values.flatten())._replace(n=n_episodes)
    by_seed, by_episode = values.mean(1), values.mean(0)
    rest = values - by_seed.unsqueeze(1) - by_episode + mean
    of_seeds = by_seed.var().item() / n_seeds
    of_episodes = by_episode.var().item() / n_episodes
    freedom = (n_seeds - 1) * (n_episodes - 1)
    twice = rest.square().sum().item() / freedom / (n_seeds * n_episodes)
    variance = max(of_seeds + of_episodes - twice, of_seeds, of_episodes)
    df = freedom_of((of_seeds, n_seeds), (of_episodes, n_episodes), variance)
    return Interval(mean, half_width(variance, df), n_episodes)


def of_intervals(seeds: Sequence[Interval]) -> Interval:
    """Mean over seeds of which each one's mean and interval is all that is known.

    That is so after an epoch, whose single episodes are not kept. All seeds were judged on the
    same episodes, so their half widths do not shrink with the number of seeds. Added to the
    variance between seeds as they are, they count what is neither a seed's nor an episode's own
    once too often: the interval is a little wider than that of ``mean_interval``, never narrower
    on average. A single seed's is left as it is.
    """
    n_seeds, n = len(seeds), seeds[0].n
    if n_seeds == 1:
        return seeds[0]
    means = torch.tensor([one.mean for one in seeds], dtype=torch.float64)
    of_seeds = means.var().item() / n_seeds
    of_episodes = sum((one.ci95 / 1.96) ** 2 for one in seeds) / n_seeds
    variance = of_seeds + of_episodes
    df = freedom_of((of_seeds, n_seeds), (of_episodes, n), variance)
    return Interval(means.mean().item(), half_width(variance, df), n)


def freedom_of(a: tuple[float, int], b: tuple[float, int], variance: float) -> float:
    """Satterthwaite's degrees of freedom of a variance made of two, each with its sample's size."""
    if variance == 0:
        return math.inf
    return variance**2 / sum(part**2 / (n - 1) for part, n in (a, b) if part)


def half_width(variance: float, df: float) -> float:
    """Of the 95 % interval of a mean with this estimated variance."""
    from scipy.special import stdtrit  # the quantiles of Student's t

    return float(stdtrit(df, 0.975)) * math.sqrt(variance) if variance else 0.0


class Words(NamedTuple):
    """What texts and captions say of seeds; nothing more where there is but one.

    Attributes:
        accuracy: what a printed accuracy is.
        paired: what differences are paired over, and what ± is.
        over: end of a table's caption.
        whole: the same, with what ± is.
        lines: end of the caption of curves.
        first: end of the caption of what shows the first seed alone.
    """

    accuracy: str
    paired: str
    over: str
    whole: str
    lines: str
    first: str


def words(*n_seeds: int) -> Words:
    """The words for settings with so many seeds, or with these different numbers of seeds."""
    most = max(n_seeds)
    number = f"{most}" if min(n_seeds) == most else f"up to {most}"
    if most == 1:
        return Words(
            "Every accuracy in this report is a mean over episodes ± 1.96 · standard deviation / "
            "√episodes.",
            "Differences are paired over episodes; ± is a 95 % interval.",
            *("", "", "", ""),
        )
    return Words(
        f"Every setting is trained with {number} seeds. Every accuracy in this report is a mean "
        "over seeds and episodes, ± is its 95 % interval for other seeds and other episodes: it "
        "adds up how much seeds differ and how much episodes do, and takes Student's t for few "
        "seeds. Differences are paired over both.",
        f"Every method was trained with {number} seeds. Differences are paired over seeds and "
        "episodes; ± is a 95 % interval that takes both into account.",
        f", mean over {number} seeds",
        f", mean over {number} seeds ± interval for other seeds and episodes",
        " Thin lines are single seeds, thick ones their means.",
        f" The first of {number} seeds.",
    )


def seeds_in_words(first: int, n_seeds: int) -> str:
    """``0``, or ``0 to 2``."""
    return str(first) if n_seeds == 1 else f"{first} to {first + n_seeds - 1}"
