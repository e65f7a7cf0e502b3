"""What ``feature_space`` finds, over all seeds of a setting."""

from collections.abc import Sequence
from typing import Any

from fewshot_lib.evaluation import Interval
from fewshot_lib.feature_space import Cloud, Move, centre_accuracy, clouds, measures, prototype_move
from fewshot_lib.seeded import SeedRuns
from fewshot_lib.seeds import of_intervals


def clouds_of_seeds(runs: SeedRuns, *what: Any) -> dict[str, tuple[Cloud, ...]]:
    """Each space's features for every seed, of the same images; arguments as of ``clouds``."""
    found = [clouds(run, *what) for run in runs.passing()]
    return {space: tuple(one[space] for one in found) for space in found[0]}


def move_of_seeds(runs: SeedRuns, n_aug: int) -> Move:
    """``prototype_move`` over seeds."""
    moves = [prototype_move(run, n_aug) for run in runs.passing()]
    return Move(*map(of_intervals, zip(*moves, strict=True)))


def measures_of_seeds(seeds: Sequence[Cloud]) -> dict[str, float | Interval]:
    """``measures`` over the clouds of all seeds: means, intervals as of ``of_intervals``."""
    found = [measures(cloud) for cloud in seeds]
    return {name: mean_of([one[name] for one in found]) for name in found[0]}


def mean_of(seeds: Sequence[float | Interval]) -> float | Interval:
    return of_intervals(seeds) if isinstance(seeds[0], Interval) else sum(seeds) / len(seeds)


def separability(seeds: Sequence[Cloud]) -> Interval:
    """Centre accuracy of the real features, over seeds."""
    return of_intervals([centre_accuracy(cloud.real) for cloud in seeds])
