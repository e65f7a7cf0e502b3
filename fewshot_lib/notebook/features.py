"""What the features look like: which lie where, and numbers that say what the eye sees."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch

from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.experiments.runs import Run, bank_for
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.randomness import stream
from fewshot_lib.notebook.classes import class_words


class Cloud(NamedTuple):
    """Real features of some classes, and hallucinated ones of the same images.

    Attributes:
        real: ``(n_class, n_image, d)``.
        hallucinated: ``(n_class, n_image, n_aug, d)``; ``n_aug`` may be 0.
        names: the classes.
        images: int64 ``(n_class, n_image)``, where the images lie in their bank.
    """

    real: torch.Tensor
    hallucinated: torch.Tensor
    names: list[str]
    images: torch.Tensor


def pick_images(run: Run, split: str, n_class: int, n_image: int) -> torch.Tensor:
    """Indices ``(n_class, n_image)``: the same classes and images for runs on the same data."""
    bank = bank_for(run.spec, split)
    generator = stream("feature space", split, n_class, n_image)
    classes = torch.randperm(len(bank.class_names), generator=generator)[:n_class]
    starts = bank.class_sizes.cumsum(0) - bank.class_sizes
    return torch.stack(
        [
            starts[c] + torch.randperm(int(bank.class_sizes[c]), generator=generator)[:n_image]
            for c in classes
        ]
    )


@torch.inference_mode()
def _clouds(run: Run, split: str, n_class: int, n_image: int, n_aug: int) -> dict[str, Cloud]:
    """``clouds`` of one seed."""
    images = pick_images(run, split, n_class, n_image)
    bank = bank_for(run.spec, split)
    words = class_words(bank)
    names = [words[bank.class_names[i]] for i in bank.labels[images[:, 0]]]
    raw = run.features(split).raw[images]
    spaces = run.learner.spaces(raw, n_aug, stream("feature space noise"))
    return {
        space: Cloud(real.cpu(), hallucinated.cpu(), names, images)
        for space, (real, hallucinated) in spaces.items()
    }


def tsne(cloud: Cloud) -> pd.DataFrame:
    """Features on one map, real and hallucinated ones and the prototypes of the real ones.

    Returns:
        columns x, y, class, kind (real, hallucinated, prototype) and image: where the image that
        the feature was made from lies in its bank, -1 for prototypes.
    """
    from sklearn.manifold import TSNE  # slow to import, and tables of features do without
    from threadpoolctl import threadpool_limits

    n_class, _, n_aug, _ = cloud.hallucinated.shape
    parts = {
        "real": (cloud.real, cloud.images),
        "hallucinated": (
            cloud.hallucinated.flatten(1, 2),
            cloud.images.repeat_interleave(n_aug, dim=1),
        ),
        "prototype": (cloud.real.mean(1, keepdim=True), torch.full((n_class, 1), -1)),
    }
    points = torch.cat([features.flatten(0, 1) for features, _ in parts.values()])
    map_ = TSNE(
        perplexity=min(30, (len(points) - 1) / 3),
        init="pca",
        max_iter=500,  # 1,000 take twice as long and lower the divergence by some hundredths of it
        random_state=stream("tsne").initial_seed() % 2**32,
    )
    with threadpool_limits(1):  # threads that wait for one another cost more than they bring here
        x, y = map_.fit_transform(points.numpy()).T
    rows = [
        (name, kind, image)
        for kind, (_, images) in parts.items()
        for name, row in zip(cloud.names, images.tolist(), strict=True)
        for image in row
    ]
    return pd.DataFrame({"x": x, "y": y}).join(
        pd.DataFrame(rows, columns=["class", "kind", "image"])
    )


def _measures(cloud: Cloud) -> dict[str, float | Interval]:
    """``measures`` of one seed."""
    found = {"centre accuracy, real": _centre_accuracy(cloud.real)}
    found["silhouette, real"] = _silhouette(cloud.real)
    if cloud.hallucinated.shape[2]:
        features = cloud.hallucinated.flatten(1, 2)
        found["centre accuracy, hallucinated"] = _centre_accuracy(features)
        found["silhouette, hallucinated"] = _silhouette(features)
        found["diversity"] = _spread(features) / _spread(cloud.real)
    return found


def _centre_accuracy(features: torch.Tensor) -> Interval:
    """Share of features ``(n_class, n, d)`` nearest to their own class's leave-one-out centre."""
    n_class, n, _ = features.shape
    centres = features.mean(1)
    distances = torch.cdist(features, centres)  # (n_class, n, n_class)
    # Without the feature itself its own centre moves away from it by n / (n - 1).
    own = torch.eye(n_class, dtype=torch.bool).unsqueeze(1).expand_as(distances)
    distances = torch.where(own, distances * n / (n - 1), distances)
    return Interval.of(distances.argmin(-1) == torch.arange(n_class).unsqueeze(1))


def _silhouette(features: torch.Tensor) -> float:
    """Mean silhouette (Rousseeuw 1987) of ``(n_class, n, d)``: 1 apart, 0 overlapping."""
    from sklearn.metrics import silhouette_score  # slow to import

    n_class, n, _ = features.shape
    labels = torch.arange(n_class).repeat_interleave(n)
    return float(silhouette_score(features.flatten(0, 1).numpy(), labels.numpy()))


def _spread(features: torch.Tensor) -> float:
    """Mean distance between two features of one class, ``(n_class, n, d)``."""
    n = features.shape[1]
    return float(torch.cdist(features, features).sum((1, 2)).mean() / (n * (n - 1)))


def clouds(
    runs: SeedRuns, split: str, n_class: int = 5, n_image: int = 20, n_aug: int = 3
) -> dict[str, tuple[Cloud, ...]]:
    """Features of the same few images in every space that the method knows, one cloud a seed.

    Args:
        n_class, n_image: how many classes of the split, and images of each.
        n_aug: hallucinated features per image.
    """
    of_seeds = [_clouds(run, split, n_class, n_image, n_aug) for run in runs.one_by_one()]
    return {space: tuple(one[space] for one in of_seeds) for space in of_seeds[0]}


def measures(seeds: Sequence[Cloud]) -> dict[str, float | Interval]:
    """What can be said of a space in numbers, over the clouds of its seeds.

    Returns:
        centre accuracy (real, hallucinated): share of features whose own class's centre, made
        of the other features of its kind, is the nearest; silhouette (real, hallucinated);
        diversity: mean distance between hallucinated features of a class relative to that
        between its real ones. Shares have intervals, of which ``of_intervals`` makes one.
    """
    found = [_measures(cloud) for cloud in seeds]
    return {name: _mean_of([one[name] for one in found]) for name in found[0]}


def _mean_of(seeds: Sequence[float | Interval]) -> float | Interval:
    return Interval.of_seeds(seeds) if isinstance(seeds[0], Interval) else sum(seeds) / len(seeds)
