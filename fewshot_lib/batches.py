"""From indices to what a network sees: gathered, augmented and normalised as one batch."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from fewshot_lib.data import ImageBank

JITTER = 0.4  # brightness, contrast and saturation factors lie in 1 +- JITTER


def make_batch(
    bank: ImageBank,
    indices: torch.Tensor,
    device: torch.device,
    augment: Sequence[str] = (),
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Images with these indices, augmented and normalised.

    Args:
        indices: any shape, flattened.
        augment: any of "flip", "crop", "jitter", drawn for each image apart.

    Returns:
        float32 ``(n, 3, s, s)`` on ``device``, channels last in memory.
    """
    images = bank.images[indices.flatten()].to(device).float()
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (bank.mean, bank.std))
    if augment:
        images = images.div_(255).contiguous(memory_format=torch.channels_last)
        for name in augment:
            images = AUGMENTATIONS[name](images, generator)
        images = images.sub_(mean).div_(std)
    else:  # in two passes, and the layout last: half the time
        images = images.mul_(1 / (255 * std)).sub_(mean / std)
    return images.contiguous(memory_format=torch.channels_last)


def uniform(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """One number in [0, 1) for each image, ``(n, 1, 1, 1)``, from the CPU's generator."""
    return torch.rand(len(images), 1, 1, 1, generator=generator).to(images.device)


def flip(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Mirror half of the images left to right."""
    return torch.where(uniform(images, generator) < 0.5, images.flip(-1), images)


def crop(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Shift each image by up to an eighth of its side, filled by reflection."""
    n, channels, size, _ = images.shape
    margin = size // 8
    padded = F.pad(images, (margin,) * 4, mode="reflect")
    shift = [(uniform(images, generator) * (2 * margin + 1)).long() for _ in range(2)]
    window = torch.arange(size, device=images.device)
    rows = (window + shift[0].view(n, 1)).view(n, 1, size, 1)
    columns = (window + shift[1].view(n, 1)).view(n, 1, 1, size)
    picture = torch.arange(n, device=images.device).view(n, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, channels, 1, 1)
    return padded[picture, channel, rows, columns]


def jitter(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Change brightness, contrast and saturation of each image by up to 40 %."""
    brightness, contrast, saturation = (
        1 + JITTER * (2 * uniform(images, generator) - 1) for _ in range(3)
    )
    images = (images * brightness).clamp_(0, 1)
    grey_level = luminance(images).mean(dim=(2, 3), keepdim=True)
    images = torch.lerp(grey_level.expand_as(images), images, contrast).clamp_(0, 1)
    return torch.lerp(luminance(images).expand_as(images), images, saturation).clamp_(0, 1)


def luminance(images: torch.Tensor) -> torch.Tensor:
    """Grey version ``(n, 1, s, s)`` by ITU-R 601 weights."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


AUGMENTATIONS = {"flip": flip, "crop": crop, "jitter": jitter}
