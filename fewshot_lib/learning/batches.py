"""From indices to what a network sees: gathered, augmented and normalised as one batch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch.nn import functional as F

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.learning.device import Plan, send
from fewshot_lib.learning.randomness import stream
from fewshot_lib.spec.parameters import TrainingParams

_JITTER = 0.4  # brightness, contrast and saturation factors lie in 1 ± 0.4
_ROTATION = 15.0  # degrees, largest turn to either side
_DATA_SHARE = 0.5  # of a GPU's free memory that images may take


def place(bank: ImageBank, device: torch.device) -> ImageBank:
    """The bank with its pixels on the device, if they fit; labels stay where they are."""
    if device == bank.images.device or not _has_room(bank.images, device):
        return bank
    return replace(bank, images=bank.images.to(device))


def _has_room(tensor: torch.Tensor, device: torch.device) -> bool:
    """Whether the tensor may stay on this device beside all a training needs there."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return tensor.nbytes <= _DATA_SHARE * free


def epoch_batches(
    spec: TrainingParams, bank: ImageBank, plan: Plan, epoch: int
) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """The epoch's episodes as images and labels on the device, so many as make a step at a time.

    Indices and labels of all the epoch go to the device at once.
    """
    sampler, augmenter = (stream(spec.seed, part, epoch) for part in ("episodes", "augment"))
    episodes = sample_episodes(bank, spec.episodes, spec.n_way, spec.n_shot, spec.n_query, sampler)
    labels = send(bank.labels[episodes].flatten(1), plan.device)
    episodes = send(episodes, bank.images.device)
    groups = (part.split(spec.episodes_per_step) for part in (episodes, labels))
    for group, group_labels in zip(*groups, strict=True):
        yield [
            (make_batch(bank, episode, plan.device, spec.augment, augmenter, plan.layout), own)
            for episode, own in zip(group, group_labels, strict=True)
        ]


def make_batch(
    bank: ImageBank,
    indices: torch.Tensor,
    device: torch.device,
    augment: Sequence[str] = (),
    generator: torch.Generator | None = None,
    layout: torch.memory_format = torch.channels_last,
) -> torch.Tensor:
    """Images with these indices, augmented and normalised.

    Args:
        indices: any shape, flattened; best where the bank's images are.
        augment: any of "flip", "crop", "jitter", "rotate", drawn for each image apart.

    Returns:
        float32 ``(n, 3, s, s)`` on ``device`` in this memory layout. If the bank holds features in
        place of images, those as they are.
    """
    images = send(bank.images[indices.flatten()], device)
    if images.is_floating_point():
        return images
    images = images.float()
    mean, std = (_constant(tuple(v), device) for v in (bank.mean, bank.std))
    if augment:
        images = images.div_(255).contiguous(memory_format=torch.channels_last)
        for name in augment:
            images = AUGMENTATIONS[name](images, generator)
        images = images.sub_(mean).div_(std)
    else:  # in two passes, and the layout last: half the time
        images = images.mul_(1 / (255 * std)).sub_(mean / std)
    return images.contiguous(memory_format=layout)


@lru_cache
def _constant(values: tuple[float, float, float], device: torch.device) -> torch.Tensor:
    """A number for each channel, ``(1, 3, 1, 1)``; sent once, as a GPU waits for what is sent."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)


def _uniform(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """One number in [0, 1) for each image, ``(n, 1, 1, 1)``, from the CPU's generator."""
    return send(torch.rand(len(images), 1, 1, 1, generator=generator), images.device)


def _flip(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Mirror half of the images left to right."""
    return torch.where(_uniform(images, generator) < 0.5, images.flip(-1), images)


def _crop(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Shift each image by up to an eighth of its side, filled by reflection."""
    n, channels, size, _ = images.shape
    margin = size // 8
    padded = F.pad(images, (margin,) * 4, mode="reflect")
    shift = [(_uniform(images, generator) * (2 * margin + 1)).long() for _ in range(2)]
    window = torch.arange(size, device=images.device)
    rows = (window + shift[0].view(n, 1)).view(n, 1, size, 1)
    columns = (window + shift[1].view(n, 1)).view(n, 1, 1, size)
    picture = torch.arange(n, device=images.device).view(n, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, channels, 1, 1)
    return padded[picture, channel, rows, columns]


def _jitter(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Change brightness, contrast and saturation of each image by up to 40 %."""
    brightness, contrast, saturation = (
        1 + _JITTER * (2 * _uniform(images, generator) - 1) for _ in range(3)
    )
    images = (images * brightness).clamp_(0, 1)
    grey_level = _luminance(images).mean(dim=(2, 3), keepdim=True)
    images = torch.lerp(grey_level.expand_as(images), images, contrast).clamp_(0, 1)
    return torch.lerp(_luminance(images).expand_as(images), images, saturation).clamp_(0, 1)


def _luminance(images: torch.Tensor) -> torch.Tensor:
    """Grey version ``(n, 1, s, s)`` by ITU-R 601 weights."""
    return (images * _constant((0.299, 0.587, 0.114), images.device)).sum(1, keepdim=True)


def _rotate(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Turn each image by up to 15 degrees to either side, corners filled by reflection."""
    angles = math.radians(_ROTATION) * (2 * _uniform(images, generator) - 1)
    return _turn(images, angles.flatten())


def _turn(images: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Turn each image about its centre, counterclockwise, with bilinear interpolation.

    Args:
        angles: in radians, ``(n,)``.
    """
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    # From a place in the result to the place it comes from, with y pointing down.
    maps = torch.stack([cos, -sin, zero, sin, cos, zero], dim=-1).view(-1, 2, 3)
    places = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, places, padding_mode="reflection", align_corners=False)


AUGMENTATIONS = {"flip": _flip, "crop": _crop, "jitter": _jitter, "rotate": _rotate}
