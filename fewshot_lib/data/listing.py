"""What a split holds, known before an image is decoded."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.digests import Content, digests
from fewshot_lib.data.images import decode_all
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

MEAN = (0.485, 0.456, 0.406)  # ImageNet's, also what the course's own code normalises with
STD = (0.229, 0.224, 0.225)


class Row(NamedTuple):
    """One image: its class, what the source calls it, its file (a plain string, for speed)."""

    label: str
    id: str
    file: str


@dataclass(frozen=True)
class Listing:
    """The images of one split, each in a file of its own; sources with others have subclasses.

    Attributes:
        fingerprint: of the names and sizes of the files: runs are named by it.
        where: folder or table, for errors.
    """

    params: DataParams
    rows: Sequence[Row]
    fingerprint: str
    where: Path
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD

    @cached_property
    def contents(self) -> list[Content]:
        """Class, id and digest of every image, ``images_per_class`` or not."""
        return self._file_contents()

    def _file_contents(self) -> list[Content]:
        found = digests([row.file for row in self.rows], from_root(self.params.data_dir))
        return [Content(r.label, r.id, d) for r, d in zip(self.rows, found, strict=True)]

    def digest(self) -> str:
        """Changes with the content of any image, as well as with the fingerprint."""
        return hash_of(self.fingerprint, [content.digest for content in self.contents])

    def load(self) -> ImageBank:
        """Decode the images; classes are sorted by name.

        Images of a class keep their order, so ``images_per_class`` takes its first ones.

        Raises:
            InputError: images are missing or damaged, or a class is too small.
        """
        rows = choose(self.rows, self.params.images_per_class, self.where)
        images = decode_all([row.file for row in rows], self.params.image_size)
        return make_bank(images, rows, self.mean, self.std)


def make_bank(images: torch.Tensor, rows: Sequence[Row], mean, std) -> ImageBank:
    """The bank of these images, uint8 ``(n, 3, s, s)``, whose ``rows`` go class by class."""
    number = {label: i for i, label in enumerate(dict.fromkeys(row.label for row in rows))}
    labels = torch.tensor([number[row.label] for row in rows])
    return ImageBank(images, labels, list(number), [row.id for row in rows], mean, std)


def choose(rows: Sequence[Row], images_per_class: int | None, where: Path) -> list[Row]:
    """The first ``images_per_class`` rows of every class (all for None), class after class."""
    sizes = Counter(row.label for row in rows)
    for label, size in sorted(sizes.items()):
        if images_per_class is not None and size < images_per_class:
            raise InputError(
                f"class '{label}' has only {size} images in {where}: "
                f"lower images_per_class={images_per_class} to {min(sizes.values())}"
            )
    by_class = groupby(sorted(rows, key=attrgetter("label")), key=attrgetter("label"))
    return [row for _, group in by_class for row in islice(group, images_per_class)]


def file_size(path: str) -> int:
    """Size in bytes, -1 if there is no such file; plain strings, as this runs once per image."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1


def hash_of(*content: object) -> str:
    """SHA-256 of what these look like in Python."""
    return hashlib.sha256(repr([*content]).encode()).hexdigest()
