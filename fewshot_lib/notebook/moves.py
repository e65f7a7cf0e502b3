"""Where hallucination moves prototypes: nearer to the true means, or to the middle of all?"""

from typing import NamedTuple

import torch

from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.experiments.runs import Run, bank_for
from fewshot_lib.learning.evaluation import Judge
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.randomness import stream
from fewshot_lib.networks.calibration import class_means
from fewshot_lib.notebook.classes import class_words
from fewshot_lib.notebook.features import pick_images

_PROTOTYPES_AT_ONCE = 100


class Move(NamedTuple):
    """Where prototypes with hallucinated features lie, compared with those of the shot alone.

    Attributes:
        ratio: distance to the class's true mean, mixed / single, over shots.
        nearer: share of the shots for which the mixed one lies nearer.
        middle: distance to the middle of all classes' true means, mixed / single, over shots.
        common: cosine between a prototype's move and the mean of all moves, over shots; 1 where
            all go the same way.
        righter: change of the share of prototypes that are nearest to their own class's mean
            among all classes. Moving every prototype to the middle changes the ratios and leaves
            this as it is.
    """

    ratio: Interval
    nearer: Interval
    middle: Interval
    common: Interval
    righter: Interval


class _Places(NamedTuple):
    """Where all images of a split lie as single shots, and what hallucination makes of them.

    Attributes:
        single, mixed: prototypes ``(n, d)`` of each image alone, and with hallucinated features.
        means, mixed_means: true means of all classes ``(n_classes, d)`` as queries are compared,
            without and with hallucinated features; they differ where queries are mixed too.
    """

    single: torch.Tensor
    mixed: torch.Tensor
    means: torch.Tensor
    mixed_means: torch.Tensor


@torch.inference_mode()
def _places(run: Run, n_aug: int, split: str) -> _Places:
    """In the space in which queries meet prototypes: of directions if by cosine."""
    bank, comparable = bank_for(run.spec, split), run.learner.distance.comparable
    features, noise = run.features(split), ("true mean noise", split, n_aug)
    single = comparable(features.embedded)
    queries = comparable(Judge(run.learner, features, n_aug, noise).query_features())
    means = (comparable(class_means(points, bank.labels)) for points in (single, queries))
    mixed = comparable(_single_shot_prototypes(run, n_aug, split))
    return _Places(*(points.cpu() for points in (single, mixed, *means)))


def _move(run: Run, n_aug: int, split: str = "val") -> Move:
    """``prototype_move`` of one seed: every image of the split is a shot."""
    labels = bank_for(run.spec, split).labels
    single, mixed, means, mixed_means = _places(run, n_aug, split)
    far_single, far_mixed = torch.cdist(single, means), torch.cdist(mixed, mixed_means)
    own = labels.unsqueeze(1)
    own_single, own_mixed = far_single.gather(1, own), far_mixed.gather(1, own)
    from_middle = [
        (points - centres.mean(0)).norm(dim=1)
        for points, centres in ((mixed, mixed_means), (single, means))
    ]
    moved = mixed - single
    common = torch.nn.functional.cosine_similarity(moved, moved.mean(0, keepdim=True))
    right = [(far.argmin(1) == labels).double() for far in (far_mixed, far_single)]
    return Move(
        Interval.of(own_mixed / own_single),
        Interval.of(own_mixed < own_single),
        Interval.of(from_middle[0] / from_middle[1]),
        Interval.of(common),
        Interval.of(right[0] - right[1]),
    )


def prototype_move(runs: SeedRuns, n_aug: int) -> Move:
    """Does hallucination move single-shot prototypes the right way? A mean over seeds."""
    moves = [_move(run, n_aug) for run in runs.one_by_one()]
    return Move(*map(Interval.of_seeds, zip(*moves, strict=True)))


class Arrows(NamedTuple):
    """Prototypes on a plane: that of one image alone, and with hallucinated features.

    Attributes:
        single, mixed: ``(n_class, n_image, 2)``.
        means: ``(n_class, 2)``, true means of the classes.
        names: the classes.
    """

    single: torch.Tensor
    mixed: torch.Tensor
    means: torch.Tensor
    names: list[str]


def prototype_arrows(
    runs: SeedRuns, n_aug: int, n_class: int = 5, n_image: int = 6, split: str = "val"
) -> Arrows:
    """How hallucination moves the prototypes of a few images, for the first seed.

    The plane is that in which single shots and true means of these classes differ most (PCA).
    """
    run = runs.first
    images = pick_images(run, split, n_class, n_image)
    bank = bank_for(run.spec, split)
    places = _places(run, n_aug, split)
    own = bank.labels[images[:, 0]]
    single, means = places.single[images], places.means[own]
    points = torch.cat([single.flatten(0, 1), means]).double()
    centre = points.mean(0)
    plane = torch.linalg.svd(points - centre, full_matrices=False).Vh[:2].T
    flat = [(part.double() - centre) @ plane for part in (single, places.mixed[images], means)]
    words = class_words(bank)
    return Arrows(*flat, [words[bank.class_names[i]] for i in own])


def _single_shot_prototypes(run: Run, n_aug: int, split: str) -> torch.Tensor:
    """The prototype ``(n, d)`` that each image of the split alone would give."""
    features, noise = run.features(split), stream("prototype move", split, n_aug)
    shots = torch.arange(len(features.raw)).unsqueeze(1).split(_PROTOTYPES_AT_ONCE)
    return torch.cat([run.learner.prototypes(features.at(s), n_aug, noise) for s in shots])
