"""Splits given as pickles of arrays, as mini-ImageNet and CIFAR-FS go round.

A pickle can run any code when it is read; these are read with all names refused but NumPy's own.
"""

import hashlib
import pickle
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from PIL import Image

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.digests import Content, digests
from fewshot_lib.data.images import fit
from fewshot_lib.data.listing import Listing, Row, choose, hash_of, make_bank
from fewshot_lib.data.sources._split_names import split_of
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

_SUFFIXES = {".pkl", ".pickle"}
_ALLOWED = {
    (f"numpy{core}.{module}", name)
    for core in (".core", "._core")
    for module, name in (
        ("multiarray", "_reconstruct"),
        ("multiarray", "scalar"),
        ("numeric", "_frombuffer"),
    )
} | {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


class _Images(NamedTuple):
    """``pixels`` uint8 ``(n, h, w, 3)`` and the class of each image."""

    pixels: np.ndarray
    labels: list[str]


def pickles(folder: Path) -> dict[str, Path]:
    """The pickle of each split, by the last word of its name.

    MetaOptNet's ``…train_phase_val`` and ``…train_phase_test`` hold training classes and are none.
    """
    found = {}
    for path in sorted(folder.glob("*")):
        *words, last = re.split(r"[-_. ]+", path.stem.lower())
        split = split_of(last) if path.suffix.lower() in _SUFFIXES else None
        if split == "train" or (split and "phase" not in words):
            found.setdefault(split, path)
    return {split: found[split] for split in SPLITS if split in found}


class PickleListing(Listing):
    """The images of one pickle; an id is the image's number."""

    @classmethod
    def of(cls, params: DataParams, file: Path, split: str, **statistics: Any) -> Self:
        """The listing of a pickle; ``statistics`` are ``mean`` and ``std``.

        Raises:
            InputError: it is damaged, or holds something else.
        """
        (kept,) = digests([str(file)], from_root(params.data_dir), _image_digests)
        if isinstance(kept, str):
            raise InputError(kept)
        labels = (_named(label, split) for label, _ in kept)
        rows = [Row(label, f"{i:05}", str(file)) for i, label in enumerate(labels)]
        return cls(params, rows, hash_of(split, kept), file, **statistics)

    @cached_property
    def contents(self) -> list[Content]:
        (kept,) = digests([str(self.where)], from_root(self.params.data_dir), _image_digests)
        return [Content(r.label, r.id, d) for r, (_, d) in zip(self.rows, kept, strict=True)]

    def load(self) -> ImageBank:
        rows = choose(self.rows, self.params.images_per_class, self.where)
        pixels = _read(self.where).pixels
        images = fit_all([pixels[int(row.id)] for row in rows], self.params.image_size)
        return make_bank(images, rows, self.mean, self.std)


def fit_all(arrays: Sequence[np.ndarray], size: int) -> torch.Tensor:
    """Images uint8 ``(h, w, 3)`` as ``(n, 3, size, size)``."""
    images = torch.empty(len(arrays), 3, size, size, dtype=torch.uint8)
    for image, pixels in zip(images, arrays, strict=True):
        if pixels.shape != (size, size, 3):  # the native size takes no image object, for speed
            pixels = np.array(fit(Image.fromarray(pixels), size))
        image.copy_(torch.from_numpy(pixels).permute(2, 0, 1))
    return images


def _named(label: str, split: str) -> str:
    """Classes that are numbers count from 0 in every split: they take the split's name too."""
    return f"{split} class {label}" if label.isdigit() else label


def _image_digests(file: str) -> list[tuple[str, str]] | str:
    """Class and digest of each image; or what is wrong with the file."""
    try:
        images = _read(Path(file))
    except InputError as error:
        return str(error)
    found = (hashlib.blake2b(p.tobytes(), digest_size=16).hexdigest() for p in images.pixels)
    return list(zip(images.labels, found, strict=True))


class _Unpickler(pickle.Unpickler):
    """Admits arrays, numbers, texts, lists and dicts of them, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}")
        return super().find_class(module, name)


def _read(file: Path) -> _Images:
    """The images of a pickle in either of the two usual forms.

    Raises:
        InputError: it is damaged, holds something else, or wants to run code.
    """
    try:
        with file.open("rb") as opened:
            images = _images(_Unpickler(opened, encoding="latin1").load())
    except MemoryError:
        raise
    except Exception as error:  # bytes that mean nothing can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{file} is no pickle of images ({reason}): fetch it again, or use train.csv and a "
            "folder images/"
        ) from None
    return images


def _images(content: Any) -> _Images:
    if "class_dict" in content:  # class name to numbers of its images
        pixels = np.asarray(content["image_data"])
        labels = [""] * len(pixels)
        for name, numbers in content["class_dict"].items():
            for i in numbers:
                labels[int(i)] = str(name)
    else:
        pixels, labels = np.asarray(content["data"]), [str(x) for x in content["labels"]]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise ValueError(f"images are {pixels.dtype} {pixels.shape}, not uint8 (n, h, w, 3)")
    if len(labels) != len(pixels) or "" in labels:
        raise ValueError("an image has no class")
    return _Images(pixels, labels)
