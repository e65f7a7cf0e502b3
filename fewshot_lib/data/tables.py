"""CSV files, read as text; an error names the line by the number that an editor shows."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fewshot_lib.data.folders import readable
from fewshot_lib.errors import InputError

_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_SAVE = "save it as CSV in UTF-8"


class Table(NamedTuple):
    """A CSV file as text: ``rows`` have as many cells as ``header``.

    Attributes:
        header: without stray spaces; "" for a column without a name.
        lines: where each row starts in the file, from 1.
        newline: what the file's lines end with.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    newline: str

    def columns(self, names: list[str]) -> np.ndarray:
        """These columns, strings ``(n_rows, len(names))``."""
        where = [self.header.index(name) for name in names]
        cells = [[row[i] for i in where] for row in self.rows]
        return np.array(cells, dtype=object).reshape(len(self.rows), len(names))


def read_table(path: Path, other_separators: bool = False) -> Table:
    """Read a CSV file; lines without a value are passed over.

    Args:
        other_separators: whether semicolons or tabs may stand between the values.

    Raises:
        InputError: the file is missing, no CSV file in UTF-8, or empty; a column stands there
            twice, or a line has too few or too many values.
    """
    text = _read_text(path)
    separator = _separator(text, path, other_separators)
    header, *records = _records(text, path, separator) or [(1, [])]
    names = [name.strip() for name in header[1]]
    if (twice := repeated(name for name in names if name)) is not None:
        raise InputError(f"{readable(str(path))} has two columns '{twice}': delete one")
    for number, row in records:
        if len(row) != len(names):
            raise InputError(
                f"{readable(str(path))}, line {number}: {len(row)} values for {len(names)} "
                "columns, mend the line"
            )
    lines, rows = [number for number, _ in records], [row for _, row in records]
    return Table(path, names, rows, lines, "\r\n" if "\r\n" in text else "\n")


def repeated(names: Iterable[str]) -> str | None:
    """The first name that stands more than once; None if all are different."""
    counts = Counter(names := list(names))
    return next((name for name in names if counts[name] > 1), None)


def _read_text(path: Path) -> str:
    name = readable(str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = "there is no file" if isinstance(error, FileNotFoundError) else "cannot read"
        raise InputError(f"{reason} {name}") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:1000]:
        raise InputError(f"{name} is in UTF-16 or no text: {_SAVE}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}, line {line}: not in UTF-8, {_SAVE}") from None


def _separator(text: str, path: Path, others: bool) -> str:
    """What stands between the values of the first line: a comma if there is one."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = next((s for s in _SEPARATORS if s in first), None)
    if "," in first or found is None:
        return ","
    if not others:
        raise InputError(
            f"{readable(str(path))} has {_SEPARATORS[found]} between its values: save it with "
            "commas"
        )
    return found


def _records(text: str, path: Path, separator: str) -> list[tuple[int, list[str]]]:
    """Number of its first line and values of every record that has a value."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    records, start = [], 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                records.append((start, row))
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{readable(str(path))}, line {start}: {error}, mend the line") from None
    return records
