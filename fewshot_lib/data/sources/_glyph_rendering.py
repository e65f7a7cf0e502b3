"""How the ``glyphs`` source draws a letter: all images of one letter as one batch of tensors.

Lengths and places are in half image sides, so that the image spans -1..1, as in
``torch.nn.functional.grid_sample``; colours are 0..1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

VERSION = 1  # raise it when the code below comes to draw other images of the same parameters

_ROLLS = 128  # random numbers set aside for an image, more than are used
_WARP_KNOTS = 4  # per side, of the grid that bends a letter
_GROUND_KNOTS = 3  # per side, of the grid that shades the ground
_SCRATCHES = 2
_CHUNK_PIXELS = 2**20  # drawn at a time, to bound memory


@dataclass(frozen=True)
class _Nuisance:
    """How much images of one letter differ. A single number is an extent, either way of zero."""

    turn: float = 25.0  # degrees
    shear: float = 0.3
    size: tuple[float, float] = (0.5, 0.85)  # the letter's longer side
    stretch: float = 0.2
    shift: float = 0.22
    warp: float = 0.13
    ground: tuple[float, float] = (0.55, 0.95)  # brightness
    contrast: tuple[float, float] = (0.4, 0.75)  # by which ink is darker than the ground
    tint: float = 0.25  # colour around grey
    shade: float = 0.2  # change of the ground across the image
    inverted: float = 0.35  # share of images with bright ink on dark ground
    scratch: tuple[float, float] = (0.1, 0.6)  # opacity
    scratch_width: tuple[float, float] = (0.02, 0.07)
    noise: float = 0.1


NUISANCE = _Nuisance()


class _Rolls:
    """Uniform random numbers, a row an image, dealt out in columns."""

    def __init__(self, rows: np.ndarray):
        self.rows = torch.from_numpy(rows)
        self.used = 0

    def take(self, *shape: int) -> torch.Tensor:
        """The next numbers of every image, 0..1, ``(n, *shape)``."""
        start, self.used = self.used, self.used + int(np.prod(shape, dtype=int))
        return self.rows[:, start : self.used].reshape(-1, *shape)

    def between(self, limits: tuple[float, float], *shape: int) -> torch.Tensor:
        low, high = limits
        return low + (high - low) * self.take(*shape)

    def around(self, extent: float, *shape: int) -> torch.Tensor:
        return self.between((-extent, extent), *shape)


def render(atlas: torch.Tensor, n: int, size: int, seed: int) -> torch.Tensor:
    """The first ``n`` images of a letter, uint8 ``(n, 3, size, size)``.

    Args:
        atlas: the letter's ink in each face, 0..1, ``(n_faces, h, w)``.
        seed: the letter's own; both streams are drawn image by image, so that a longer batch
            begins with the shorter one.
    """
    seeds = [VERSION, seed, 0], [VERSION, seed, 1]
    dice, grain = (np.random.Generator(np.random.PCG64(x)) for x in seeds)
    step = max(1, _CHUNK_PIXELS // (2 * size) ** 2)
    images = []
    for start in range(0, n, step):
        count = min(step, n - start)
        rolls = _Rolls(dice.random((count, _ROLLS), np.float32))
        noise = torch.from_numpy(grain.random((count, 3, size, size), np.float32))
        images.append(_compose(atlas, rolls, noise, size))
    return torch.cat(images)


def _compose(atlas: torch.Tensor, rolls: _Rolls, noise: torch.Tensor, size: int) -> torch.Tensor:
    """Ground, scratches, letter, polarity and noise, one over the other."""
    ink = _letters(atlas, rolls, size)
    brightness = rolls.between(NUISANCE.ground, 1, 1, 1)
    image = _ground(brightness, rolls, size)
    brightness = brightness - rolls.between(NUISANCE.contrast, 1, 1, 1)
    colour = (brightness + rolls.around(NUISANCE.tint, 3, 1, 1)).clamp(0, 1)
    for _ in range(_SCRATCHES):
        image = torch.lerp(image, colour, _scratch(rolls, size))
    image = torch.lerp(image, colour, ink)
    image = torch.where(rolls.take(1, 1, 1) < NUISANCE.inverted, 1 - image, image)
    image = image + NUISANCE.noise * (2 * noise - 1)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def _letters(atlas: torch.Tensor, rolls: _Rolls, size: int) -> torch.Tensor:
    """Opacity of each image's letter in a random face, ``(n, 1, size, size)``.

    Sampled at double size and averaged, so that edges are smooth.
    """
    face = (rolls.take() * len(atlas)).long()
    knots = rolls.around(NUISANCE.warp, 2, _WARP_KNOTS, _WARP_KNOTS)
    bend = F.interpolate(knots, size=2 * size, mode="bilinear", align_corners=True)
    grid = F.affine_grid(_placement(rolls), [len(face), 1, 2 * size, 2 * size], align_corners=False)
    grid = grid + bend.permute(0, 2, 3, 1)
    drawn = F.grid_sample(atlas[face].unsqueeze(1), grid, align_corners=False)
    return F.avg_pool2d(drawn, 2)


def _placement(rolls: _Rolls) -> torch.Tensor:
    """Maps from image to letter coordinates, ``(n, 2, 3)``: turn, shear, size and shift."""
    angle = torch.deg2rad(rolls.around(NUISANCE.turn))
    shear, stretch = rolls.around(NUISANCE.shear), rolls.around(NUISANCE.stretch)
    zoom = 1 / rolls.between(NUISANCE.size)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    across, down = stretch.exp(), (-stretch).exp()
    linear = torch.stack(
        [cos * across, (shear * cos - sin) * across, sin * down, (shear * sin + cos) * down], 1
    ).view(-1, 2, 2)
    shift = rolls.around(NUISANCE.shift, 2, 1)
    return torch.cat([linear, -linear @ shift], 2)


def _ground(brightness: torch.Tensor, rolls: _Rolls, size: int) -> torch.Tensor:
    """Softly shaded ground, ``(n, 3, size, size)``."""
    colour = brightness + rolls.around(NUISANCE.tint, 3, 1, 1)
    shades = colour + rolls.around(NUISANCE.shade, 3, _GROUND_KNOTS, _GROUND_KNOTS)
    smooth = F.interpolate(shades, size=size, mode="bilinear", align_corners=True)
    return smooth.clamp(0, 1)


def _scratch(rolls: _Rolls, size: int) -> torch.Tensor:
    """Opacity of a thin arc of a circle through the image, ``(n, 1, size, size)``."""
    along = (torch.arange(size) + 0.5) * 2 / size - 1
    through, angle = rolls.around(1.0, 2, 1, 1), torch.pi * rolls.around(1.0, 1, 1)
    radius = rolls.between((0.7, 4.0), 1, 1)
    x = along[None, None, :] - through[:, 0] - radius * angle.cos()
    y = along[None, :, None] - through[:, 1] - radius * angle.sin()
    width = rolls.between(NUISANCE.scratch_width, 1, 1)
    depth = width - ((x.square() + y.square()).sqrt() - radius).abs()
    opacity = (0.5 + depth * size / 2).clamp(0, 1) * rolls.between(NUISANCE.scratch, 1, 1)
    return opacity.unsqueeze(1)
