"""The default data source: letters of several scripts, drawn from the fonts Matplotlib ships.

A class is a letter; train, val and test are different scripts. Every image shows its letter in a
random face, turned, sheared, scaled, moved and bent, in ink of one colour on ground of another,
with scratches and noise. An image depends on its letter, its number and its size in pixels, on
nothing else.
"""

import hashlib
import unicodedata
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.digests import Content
from fewshot_lib.data.listing import Listing, Row, make_bank
from fewshot_lib.data.sources._glyph_alphabets import (
    N_CLASSES,
    alphabets_fingerprint,
    letter_atlas,
    letters_of,
)
from fewshot_lib.data.sources._glyph_rendering import NUISANCE, VERSION, render
from fewshot_lib.spec.parameters import DataParams

_IMAGES_PER_CLASS = 600
_MEAN, _STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def splits(params: DataParams) -> list[str]:
    """All three; each has scripts of its own."""
    return list(SPLITS)


def listing(params: DataParams, split: str) -> Listing:
    """The letters of the split.

    The fingerprint changes with the fonts, the choice of letters and the way they are drawn.
    """
    content = [split, VERSION, asdict(NUISANCE), _MEAN, _STD, alphabets_fingerprint()]
    fingerprint = hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    return _GlyphListing(params, [], fingerprint, Path(split), _MEAN, _STD)


class _GlyphListing(Listing):
    """Letters to be drawn; ``where`` is the split."""

    @cached_property
    def contents(self) -> list[Content]:
        """As many images as can be asked for, of classes that are counted, not looked at."""
        split, n = self.where.name, self.params.images_per_class or _IMAGES_PER_CLASS
        labels = [f"{split} letter {i}" for i in range(N_CLASSES[split])]
        return [Content(label, f"{label} {i}", "") for label in labels for i in range(n)]

    def digest(self) -> str:
        return self.fingerprint

    def load(self) -> ImageBank:
        """Draw the split: 600 images a class, or as many as are asked for.

        Raises:
            InputError: one of Matplotlib's fonts is missing.
        """
        letters, size = letters_of(self.where.name), self.params.image_size
        n = self.params.images_per_class or _IMAGES_PER_CLASS
        names = [_class_name(letter) for letter in letters]
        rows = [Row(x, f"{_identifier(x)}_{i:04}", "") for x in names for i in range(n)]
        images = torch.cat([draw(letter, n, size) for letter in letters])
        return make_bank(images, rows, self.mean, self.std)


def draw(letter: str, n: int, size: int) -> torch.Tensor:
    """The first ``n`` images of a letter, uint8 ``(n, 3, size, size)``."""
    return render(letter_atlas(letter, 2 * size), n, size, seed=ord(letter))


def _class_name(letter: str) -> str:
    """``θ`` is called ``Greek small letter theta``."""
    return unicodedata.name(letter).capitalize()


def _identifier(name: str) -> str:
    """``Greek small letter theta`` becomes ``greek_small_theta``."""
    return name.lower().replace(" letter", "").replace(" ", "_").replace("-", "_")
