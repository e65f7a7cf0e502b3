"""Images in memory: decoded once, cached on disk as one memory-mapped file per split."""

import hashlib
import importlib
import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fewshot_lib.data.apart import remarks, require_apart
from fewshot_lib.data.folders import is_image
from fewshot_lib.data.images import decode_all
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file, cache_folder
from fewshot_lib.spec.parameters import DataParams

_CACHE_VERSION = "3"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class ImageBank:
    """All images of one split; images of one class are contiguous.

    Attributes:
        images: uint8 ``(n, 3, s, s)``.
        labels: int64 ``(n,)``, ascending, 0 to number of classes - 1.
        class_names: one name per label.
        ids: what the source calls each image, a file name as a rule.
        mean, std: per-channel statistics of the pixels scaled to 0..1, to normalise with.
        fingerprint: changes when the content of any image does.
    """

    images: torch.Tensor
    labels: torch.Tensor
    class_names: list[str]
    ids: list[str]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fingerprint: str = ""

    @property
    def image_size(self) -> int:
        return self.images.shape[-1]

    @property
    def class_sizes(self) -> torch.Tensor:
        """Number of images of each class, int64 ``(n_classes,)``."""
        return torch.bincount(self.labels, minlength=len(self.class_names))


def source_module(params: DataParams):
    """The module of ``params.source``.

    It offers two functions of the parameters: ``splits``, those there are, and ``listing`` of a
    split, which decodes nothing; some count in ``passed_over`` what they do not use.
    """
    return importlib.import_module(f"fewshot_lib.data.sources.{params.source}")


def has_split(params: DataParams, split: str) -> bool:
    """Whether the source has this split; a test split is often kept apart."""
    return split in source_module(params).splits(params)


def apart_listings(params: DataParams) -> dict:
    """The ``Listing`` of every split that the source has.

    Raises:
        InputError: the source cannot be read, or splits share classes or images.
    """
    source = source_module(params)
    listings = {split: source.listing(params, split) for split in source.splits(params)}
    try:
        require_apart(_contents(listings), getattr(source, "PUBLISHED_LISTS", False))
    except InputError:
        _require_images(listings)
        raise
    return listings


def _contents(listings: dict) -> dict:
    return {split: listing.contents for split, listing in listings.items()}


def _require_images(listings: dict) -> None:
    """Name files that two splits share because they are empty or error pages, no images."""
    digests = [{content.digest for content in x.contents} - {""} for x in listings.values()]
    shared = {d for one, other in combinations(digests, 2) for d in one & other}
    pairs = (p for x in listings.values() for p in zip(x.rows, x.contents, strict=False))
    files = [row.file for row, content in pairs if content.digest in shared]
    decode_all([file for file in files if is_image(Path(file))], 16)


def data_remarks(params: DataParams) -> list[str]:
    """What to know of the data, a line each.

    What in the folder is neither a class nor an image, and which images stand there twice.

    Raises:
        InputError: as ``apart_listings``.
    """
    count = getattr(source_module(params), "passed_over", None)
    passed = [str(found)] if count and (found := count(params)) else []
    return passed + remarks(_contents(apart_listings(params)))


def load_bank(params: DataParams, split: str) -> ImageBank:
    """The split's images, from the cache when it holds them.

    Raises:
        InputError: the source has no such split, its files cannot be read, or splits share
            classes or images.
    """
    if split not in SPLITS:
        raise InputError(f"split '{split}' is not one of {', '.join(SPLITS)}")
    listing = apart_listings(params).get(split) or source_module(params).listing(params, split)
    digest = listing.digest()
    path = _cache_file(params, split, digest)
    bank = _read_bank(path)
    if bank is None or bank.fingerprint != digest:
        _write_bank(path, listing.load(), digest)
        bank = _read_bank(path)
    return bank


def _cache_file(params: DataParams, split: str, fingerprint: str) -> Path:
    content = [_CACHE_VERSION, fingerprint, params.image_size, params.images_per_class]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
    return cache_folder() / f"{params.source}-{split}-{params.image_size}px-{key}.safetensors"


def _write_bank(path: Path, bank: ImageBank, fingerprint: str) -> None:
    """Write a bank whole or not at all."""
    names = ("class_names", "ids", "mean", "std")
    about = {name: getattr(bank, name) for name in names} | {"fingerprint": fingerprint}
    with atomic_file(path) as temporary:
        tensors = {"images": bank.images.contiguous(), "labels": bank.labels}
        save_file(tensors, temporary, metadata={"bank": json.dumps(about)})


def _read_bank(path: Path) -> ImageBank | None:
    """The bank in this file, memory-mapped; None if it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["bank"])
            images, labels = file.get_tensor("images"), file.get_tensor("labels")
        about["mean"], about["std"] = tuple(about["mean"]), tuple(about["std"])
        return ImageBank(images, labels, **about)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def data_identity(params: DataParams) -> tuple[str, str]:
    """What a run learns from and is chosen on now, the train and val splits, in hex digits.

    Returns:
        Fingerprint of the names and sizes of the files, by which runs are named, and digest of
        what is in them.

    Raises:
        InputError: the source has no such split or its files cannot be read.
    """
    listings = [source_module(params).listing(params, split) for split in ("train", "val")]
    names = "-".join(listing.fingerprint[:12] for listing in listings)
    content = "-".join(listing.digest()[:12] for listing in listings)
    return names, content
