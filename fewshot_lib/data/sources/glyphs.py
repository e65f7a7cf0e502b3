"""The default data source: letters of several scripts, drawn from the fonts Matplotlib ships.

A class is a letter; train, val and test are different scripts. Every image shows its letter in a
random face, turned, sheared, scaled, moved and bent, in ink of one colour on ground of another,
with scratches and noise. An image depends on its letter, its number and its size in pixels, on
nothing else.
"""

import hashlib
import unicodedata
from dataclasses import asdict

import torch

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.sources._glyph_alphabets import (
    alphabets_fingerprint,
    letter_atlas,
    letters_of,
)
from fewshot_lib.data.sources._glyph_rendering import NUISANCE, VERSION, render
from fewshot_lib.spec.parameters import DataParams

_IMAGES_PER_CLASS = 600
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def splits(params: DataParams) -> list[str]:
    """All three; each has scripts of its own."""
    return list(SPLITS)


def fingerprint(params: DataParams, split: str) -> str:
    """Changes with the fonts, with the choice of letters and with the way they are drawn."""
    content = [split, VERSION, asdict(NUISANCE), MEAN, STD, alphabets_fingerprint()]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def load(params: DataParams, split: str) -> ImageBank:
    """Draw the split: 600 images a class, or as many as are asked for.

    Raises:
        InputError: one of Matplotlib's fonts is missing.
    """
    letters = letters_of(split)
    n = params.images_per_class or _IMAGES_PER_CLASS
    names = [_class_name(letter) for letter in letters]
    return ImageBank(
        images=torch.cat([draw(letter, n, params.image_size) for letter in letters]),
        labels=torch.arange(len(letters)).repeat_interleave(n),
        class_names=names,
        ids=[f"{_identifier(name)}_{i:04}" for name in names for i in range(n)],
        mean=MEAN,
        std=STD,
        fingerprint=fingerprint(params, split),
    )


def draw(letter: str, n: int, size: int) -> torch.Tensor:
    """The first ``n`` images of a letter, uint8 ``(n, 3, size, size)``."""
    return render(letter_atlas(letter, 2 * size), n, size, seed=ord(letter))


def _class_name(letter: str) -> str:
    """``θ`` is called ``Greek small letter theta``."""
    return unicodedata.name(letter).capitalize()


def _identifier(name: str) -> str:
    """``Greek small letter theta`` becomes ``greek_small_theta``."""
    return name.lower().replace(" letter", "").replace(" ", "_").replace("-", "_")
