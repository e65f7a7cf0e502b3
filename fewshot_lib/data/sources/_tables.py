"""Splits given as CSV files: ``train.csv``, ``val.csv``, ``test.csv`` beside their images."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fewshot_lib.data.folders import readable
from fewshot_lib.data.listing import Listing, Row, file_size
from fewshot_lib.data.sources._split_names import by_split
from fewshot_lib.data.tables import read_table
from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.spec.parameters import DataParams

# What others call a column, first of all what it is called here.
_COLUMNS = {
    "id": "id",
    "filename": "filename file file_name filepath path image image_name image_path",
    "label": "label class class_name category",
}


class Entry(NamedTuple):
    """An image as a table lists it; ``id`` is the file name where the table has no such column."""

    id: str
    filename: str
    label: str
    line: int


def tables(folder: Path) -> dict[str, Path]:
    """The CSV file of each split."""
    return by_split(path for path in folder.glob("*") if path.suffix.lower() == ".csv")


def table_listing(params: DataParams, table: Path) -> Listing:
    """The images that a table lists, in its order.

    The fingerprint is a hash of the table and of the sizes of its images.

    Raises:
        InputError: the table cannot be read, an image is missing or stands there twice.
    """
    entries = read_images(table, ("filename", "label"))
    named = [f for f in (table.with_suffix(""), table.parent / "images") if f.is_dir()]
    folders = [*named, table.parent]
    if not named and _find(entries[0], folders) is None:
        raise InputError(
            f"no images for {table}: put them into {table.with_suffix('')}/ or "
            f"{table.parent}/images/"
        )
    files = find_images(entries, folders, table)
    if all(entry.id == entry.filename for entry in entries):
        ids = _unique_ids(entries)
    else:
        ids = [entry.id for entry in entries]
        _refuse_twice(ids, entries, table, "id")
    digest = hashlib.sha256(table.read_bytes())
    for file in files:
        digest.update(b"%d," % file_size(file))
    rows = [Row(e.label, i, f) for e, i, f in zip(entries, ids, files, strict=True)]
    return Listing(params, rows, digest.hexdigest(), table)


def _unique_ids(entries: Sequence[Entry]) -> list[str]:
    """File names, after their classes where those of different classes are alike."""
    names = [entry.filename for entry in entries]
    if len(set(names)) == len(names):
        return names
    return [f"{entry.label}/{entry.filename}" for entry in entries]


def read_images(table: Path, columns: Sequence[str]) -> list[Entry]:
    """The images that a table lists.

    Args:
        columns: those of id, filename and label that must be there.

    Raises:
        InputError: the file is missing, is no CSV file, or lacks a column or a value.
    """
    read, name = read_table(table, other_separators=True), readable(str(table))
    known = {c: _column(read.header, c) for c in _COLUMNS}
    for column in columns:
        if known[column] is None:
            raise InputError(f"{name} has no column '{column}'{_hint(read.header, column)}")
    entries = []
    for row, line in zip(read.rows, read.lines, strict=True):
        cells = {c: "" if i is None else readable(row[i].strip()) for c, i in known.items()}
        if (empty := next((c for c in columns if not cells[c]), None)) is not None:
            raise InputError(f"{name}, line {line}: no {empty}, fill it in or delete the line")
        entries.append(
            Entry(cells["id"] or cells["filename"], cells["filename"], cells["label"], line)
        )
    if not entries:
        raise InputError(f"{name} lists no images: fetch it again")
    return entries


def _column(header: list[str], wanted: str) -> int | None:
    names = [name.casefold() for name in header]
    return next((names.index(name) for name in _COLUMNS[wanted].split() if name in names), None)


def _hint(header: list[str], wanted: str) -> str:
    named = [name for name in header if name]
    if not named:
        return ": its first line must name its columns"
    return f"{did_you_mean(wanted, named)}: rename the one that holds it, in the first line"


def find_images(entries: Sequence[Entry], folders: Sequence[Path], table: Path) -> list[str]:
    """The file of each image, looked for in these folders.

    A table may write its paths with backslashes, with the folder's own name before them, as they
    were on another machine, or in another Unicode form; images may lie in folders of their classes.

    Raises:
        InputError: images are missing, or one stands in the table twice.
    """
    files = [_find(entry, folders) for entry in entries]
    if None in files:
        forms = {form: path for folder in folders[:1] for form, path in _forms(folder)}
        files = [f or forms.get(readable(e.filename)) for e, f in zip(entries, files, strict=True)]
    missing = [e.filename for e, f in zip(entries, files, strict=True) if f is None]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(entries)} images of {table} are missing in {folders[0]}, "
            f"the first is {missing[0]}: extract them all"
        )
    _refuse_twice(files, entries, table, "image")
    return files


def _find(entry: Entry, folders: Sequence[Path]) -> str | None:
    return next((f for f in _places(entry, folders) if os.path.isfile(f)), None)  # noqa: PTH113


def _places(entry: Entry, folders: Sequence[Path]) -> Iterator[str]:
    """Paths that an image may have, the likeliest first."""
    yield f"{folders[0]}/{entry.filename}"
    path = entry.filename.replace("\\", "/").removeprefix("./")
    parts = [part for part in path.split("/") if part]
    tails = [path]
    if path.startswith("/") or re.match("[A-Za-z]:/", path):
        yield path
        tails = ["/".join(parts[i:]) for i in range(len(parts))]
    for folder in folders:
        yield from (f"{folder}/{tail}" for tail in tails)
        yield f"{folder}/{entry.label}/{parts[-1] if parts else ''}"


def _forms(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of the folder by its readable path: another Unicode form of the same name."""
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            yield readable(path.relative_to(folder).as_posix()), str(path)


def _refuse_twice(values: list[str], entries: Sequence[Entry], table: Path, what: str) -> None:
    if len(set(values)) == len(values):
        return
    seen: dict[str, int] = {}
    for value, entry in zip(values, entries, strict=True):
        if value in seen:
            shown = entry.filename if what == "image" else value
            raise InputError(
                f"{table}, line {entry.line}: {what} '{shown}' stands in line {seen[value]} "
                "already: keep one of them"
            )
        seen[value] = entry.line
