"""mini-ImageNet from a folder, in either of the layouts it goes round in.

Course layout: ``train.csv``, ``val.csv`` (``id,filename,label``) beside the folders ``train/`` and
``val/``; ``test.csv`` and ``test/`` if there are any.
Split layout (Ravi & Larochelle 2017): ``train.csv``, ``val.csv``, ``test.csv``
(``filename,label``) beside one folder ``images/``.
"""

import csv
import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import torch
from PIL import Image, ImageOps

from fewshot_lib.data import SPLITS, ImageBank
from fewshot_lib.errors import InputError
from fewshot_lib.paths import from_root
from fewshot_lib.spec import DataParams

MEAN = (0.485, 0.456, 0.406)  # ImageNet's, also what the course's own code normalises with
STD = (0.229, 0.224, 0.225)
CHUNK = 64  # images per task

Row = dict[str, str]


def fingerprint(params: DataParams, split: str) -> str:
    """Hash of the split's CSV file and of the sizes of the images it lists; decodes nothing.

    Raises:
        InputError: the folder, the CSV file or one of its columns is missing.
    """
    table = csv_file(params, split)
    rows, folder = read_rows(table), image_folder(table)
    digest = hashlib.sha256(table.read_bytes())
    for row in rows:
        digest.update(b"%d," % file_size(f"{folder}/{row['filename']}"))
    return digest.hexdigest()


def load(params: DataParams, split: str) -> ImageBank:
    """Decode the split; classes in the order of their sorted labels.

    Images of a class keep the CSV's order, so ``images_per_class`` takes its first ones. ``ids``
    are the CSV's ``id`` column, or the file names where it has none.

    Raises:
        InputError: a file or column is missing, an image is damaged or a class too small.
    """
    table = csv_file(params, split)
    folder = image_folder(table)
    rows = choose(read_rows(table), params.images_per_class, table)
    require_images(rows, folder, table)
    class_names = sorted({row["label"] for row in rows})
    number = {name: i for i, name in enumerate(class_names)}
    return ImageBank(
        images=decode_all([folder / row["filename"] for row in rows], params.image_size),
        labels=torch.tensor([number[row["label"]] for row in rows]),
        class_names=class_names,
        ids=[row.get("id") or row["filename"] for row in rows],
        mean=MEAN,
        std=STD,
    )


def csv_file(params: DataParams, split: str) -> Path:
    folder = from_root(params.data_dir)
    if not folder.is_dir():
        raise InputError(
            f"no folder {folder}: data_dir must name the one with train.csv and val.csv"
        )
    table = folder / f"{split}.csv"
    if not table.is_file():
        there = [name for name in SPLITS if (folder / f"{name}.csv").is_file()]
        remedy = f"there are only: {', '.join(there)}" if there else "data_dir must hold train.csv"
        raise InputError(f"no split '{split}', {table} is missing ({remedy})")
    return table


def image_folder(table: Path) -> Path:
    for folder in (table.with_suffix(""), table.parent / "images"):
        if folder.is_dir():
            return folder
    raise InputError(
        f"no images for {table}: put them into {table.with_suffix('')}/ or {table.parent}/images/"
    )


def read_rows(table: Path) -> list[Row]:
    """The CSV's rows, each with at least ``filename`` and ``label``."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or []
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table} is not a CSV file in UTF-8: {error}") from None
    for column in ("filename", "label"):
        if column not in columns:
            raise InputError(
                f"{table} has no column '{column}': its first line must be "
                "'id,filename,label' or 'filename,label'"
            )
        if empty := next((i for i, row in enumerate(rows, 2) if not row[column]), None):
            raise InputError(f"{table}, line {empty}: no {column}, fill it in or delete the line")
    if not rows:
        raise InputError(f"{table} lists no images: fetch it again")
    return rows


def choose(rows: list[Row], images_per_class: int | None, table: Path) -> list[Row]:
    """The first ``images_per_class`` rows of every class (all for None), class after class."""
    sizes = Counter(row["label"] for row in rows)
    for label, size in sorted(sizes.items()):
        if images_per_class is not None and size < images_per_class:
            raise InputError(
                f"class '{label}' has only {size} images in {table}: "
                f"lower images_per_class={images_per_class} to {min(sizes.values())}"
            )
    by_class = groupby(sorted(rows, key=itemgetter("label")), key=itemgetter("label"))
    return [row for _, group in by_class for row in islice(group, images_per_class)]


def require_images(rows: list[Row], folder: Path, table: Path) -> None:
    missing = [r["filename"] for r in rows if file_size(f"{folder}/{r['filename']}") < 0]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(rows)} images of {table} are missing in {folder}, "
            f"the first is {missing[0]}: extract them all"
        )


def file_size(path: str) -> int:
    """Size in bytes, -1 if there is no such file; plain strings, as this runs once per image."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1


def decode_all(paths: list[Path], size: int) -> torch.Tensor:
    """Decode these files: uint8 ``(n, 3, s, s)``.

    The threads pay for photographs in their original size; at 84 px opening a file costs as much
    as decoding it, and that part is Python's own.
    """
    images = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)

    def fill(start: int) -> None:
        pixels = b"".join(decode(path, size) for path in paths[start : start + CHUNK])
        rows = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(-1, size, size, 3)
        images[start : start + CHUNK] = rows.permute(0, 3, 1, 2)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(fill, range(0, len(paths), CHUNK)):
            pass  # takes the results, so that the first error stops the rest
    return images


def decode(path: Path, size: int) -> bytes:
    """The RGB pixels of one image file, row by row, ``s * s * 3`` bytes.

    Another size is reached by a box filter, the mean over the area of each new pixel, after
    cutting the middle square out of an oblong image. JPEG's own reduced decoding ("draft") saves
    a sixth of the time at best and gives other pixels, so the whole image is decoded.
    """
    try:
        with Image.open(path) as file:
            image = to_rgb(ImageOps.exif_transpose(file))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be decoded, copy it again: {error}") from None
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BOX)
    return image.tobytes()


def to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "P":  # a palette may hold transparency: Pillow wants it turned to RGBA first
        image = image.convert("RGBA")
    return image.convert("RGB")
