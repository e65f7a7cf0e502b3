"""Hallucination without training: training classes stand in for the images a class lacks."""

import torch

from fewshot_lib.networks.distances import Distance

CALIBRATED = ", calibrated"  # what the name of a method judged like this ends with


def class_means(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean feature ``(n_classes, d)`` of each class.

    Args:
        features: ``(n, d)``.
        labels: int64 ``(n,)``, from 0; every class has one at least.
    """
    labels = labels.to(features.device)
    sums = features.new_zeros(int(labels.max()) + 1, features.shape[-1])
    return sums.index_add_(0, labels, features) / torch.bincount(labels).unsqueeze(-1)


def calibrate(
    prototypes: torch.Tensor,
    n_shot: int | torch.Tensor,
    means: torch.Tensor,
    distance: Distance,
) -> torch.Tensor:
    """Prototypes ``(..., n_way, d)`` drawn towards the known classes that resemble them.

    As if each class had one support more, the mean of a known class, and its prototype were
    expected over which one. Yang et al. 2021 let the few nearest classes count alike; here each
    counts as much as the distance's softmax gives it. The more real supports, the less it matters.

    Args:
        prototypes: means of embedded supports.
        n_shot: how many, for all or as ``(..., n_way, 1)`` for each.
        means: of the embedded images of known classes, ``(n_classes, d)``; see ``class_means``.
    """
    prototypes, means = (distance.comparable(features) for features in (prototypes, means))
    alike = distance.compare(prototypes, means).softmax(-1)
    return (n_shot * prototypes + alike @ means) / (n_shot + 1)
