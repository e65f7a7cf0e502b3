"""Splits given as CSV files: ``train.csv``, ``val.csv``, ``test.csv`` beside their images."""

import csv
import hashlib
from collections import Counter
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import torch

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.images import decode_all, file_size
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

MEAN = (0.485, 0.456, 0.406)  # ImageNet's, also what the course's own code normalises with
STD = (0.229, 0.224, 0.225)

Row = dict[str, str]


def table_splits(params: DataParams) -> list[str]:
    """Splits that have a CSV file.

    Raises:
        InputError: there is no such folder.
    """
    folder = data_folder(params, "the one with train.csv and val.csv")
    return [split for split in SPLITS if (folder / f"{split}.csv").is_file()]


def table_fingerprint(params: DataParams, split: str) -> str:
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


def load_table(params: DataParams, split: str) -> ImageBank:
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


def data_folder(params: DataParams, what: str) -> Path:
    """The folder ``data_dir`` names; ``what`` says in an error which one it must be."""
    folder = from_root(params.data_dir)
    if not folder.is_dir():
        raise InputError(f"no folder {folder}: data_dir must name {what}")
    return folder


def csv_file(params: DataParams, split: str) -> Path:
    there = table_splits(params)
    table = from_root(params.data_dir) / f"{split}.csv"
    if split not in there:
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


def read_rows(table: Path, columns: tuple[str, ...] = ("filename", "label")) -> list[Row]:
    """The CSV's rows, each with at least these ``columns``, none of them empty.

    Raises:
        InputError: the file is missing, is no CSV file, or lacks a column or a value.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, header = list(reader), reader.fieldnames or []
    except FileNotFoundError:
        raise InputError(f"there is no file {table}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table} is not a CSV file in UTF-8: {error}") from None
    for column in columns:
        if column not in header:
            raise InputError(
                f"{table} has no column '{column}': its first line must have {', '.join(columns)}"
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
