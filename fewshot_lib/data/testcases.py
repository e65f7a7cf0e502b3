"""The course's CSV files: test cases to solve, predictions, and the score of the predictions.

Test cases (``val_testcase.csv``): ``episode_id,class0_support0,…,query0,…``, values are image ids.
Predictions and truth (``val_testcase_gt.csv``): ``episode_id,query0,…``, values are the positions,
0 to n_way - 1, of the queries' classes among the supports.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from fewshot_lib.data.tables import Table, read_table, repeated
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file

_EPISODE = "episode_id"
_SUPPORT = re.compile(r"class(0|[1-9]\d{0,4})_support(0|[1-9]\d{0,4})")
_QUERY = re.compile(r"query(0|[1-9]\d{0,4})")
_POSITION = re.compile(r"[0-9]{1,6}")
_COURSE_WAYS = 5  # of all files the course hands out


@dataclass(frozen=True)
class TestCases:
    """Episodes over images that go by their ids; ids are text, ``7`` and ``007`` are two.

    Attributes:
        episode_ids: one per episode, all different.
        support: str objects ``(n_episodes, n_way, n_shot)``.
        query: str objects ``(n_episodes, n_queries)``.
        newline: what the file's lines end with; predictions for it end theirs alike.
    """

    __test__ = False  # the name makes pytest look for tests inside

    episode_ids: list[str]
    support: np.ndarray
    query: np.ndarray
    newline: str = "\r\n"

    def image_ids(self) -> Iterator[tuple[str, str]]:
        """Every (episode_id, image id) in the order of the file, supports first."""
        for episode, support, query in zip(self.episode_ids, self.support, self.query, strict=True):
            yield from ((episode, image) for image in (*support.flat, *query))


class _Score(NamedTuple):
    """Mean accuracy over the episodes with the half width of its 95 % interval."""

    mean: float
    ci95: float

    def __str__(self) -> str:
        return f"Accuracy: {100 * self.mean:.2f} +- {100 * self.ci95:.2f} %"


def read_testcases(path: Path) -> TestCases:
    """Test cases of any way, shot and number of queries, with columns in any order.

    Raises:
        InputError: no such file, a column or a value is missing, an episode_id stands twice.
    """
    table = _read_episodes(path)
    n_way, n_shot = _support_shape(table)
    supports = [f"class{c}_support{k}" for c in range(n_way) for k in range(n_shot)]
    queries = _query_columns(table)
    _require_known(table, [_EPISODE, *supports, *queries])
    _require_filled(table)
    support = table.columns(supports).reshape(-1, n_way, n_shot)
    return TestCases(_episode_ids(table), support, table.columns(queries), table.newline)


def write_predictions(path: Path, cases: TestCases, positions: Iterable[Iterable[int]]) -> None:
    """Write ``episode_id,query0,…`` whole or not at all; lines end as those of the test cases.

    Args:
        positions: ``(n_episodes, n_queries)``.
    """
    header = [_EPISODE, *(f"query{i}" for i in range(cases.query.shape[1]))]
    rows = ([episode, *row] for episode, row in zip(cases.episode_ids, positions, strict=True))
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=cases.newline).writerows([header, *rows])


def score(predictions: Path, truth: Path) -> _Score:
    """mean ± 1.96 · std / √n of the episodes' accuracies, with the population's std.

    Episodes are matched by their ids and queries by their names, whatever the order.

    Raises:
        InputError: a file is missing or wrong, or the two are not of the same episodes.
    """
    predicted, true = _read_episodes(predictions), _read_episodes(truth)
    if len(predicted.rows) != len(true.rows):
        raise InputError("Test case length mismatch.")
    order = _matching_rows(_episode_ids(predicted), _episode_ids(true))
    queries = [_query_columns(table) for table in (predicted, true)]
    if len(queries[0]) != len(queries[1]):
        raise InputError(
            f"{predictions} has {len(queries[0])} queries per episode, {truth} has "
            f"{len(queries[1])}: they are of different test cases"
        )
    answers = _read_positions(true, queries[1])
    given = _read_positions(predicted, queries[0], max(_COURSE_WAYS, int(answers.max()) + 1))
    accuracies = (given == answers[order]).mean(1)
    return _Score(accuracies.mean(), 1.96 * accuracies.std() / np.sqrt(len(accuracies)))


def _read_episodes(path: Path) -> Table:
    """A table with a line for each episode.

    A column without a name, as pandas writes for its index, is passed over.

    Raises:
        InputError: as ``read_table``, or the file lists no episodes.
    """
    table = read_table(path)
    if _EPISODE not in table.header:
        raise _missing(path, _EPISODE)
    if not table.rows:
        raise InputError(f"{path} lists no episodes: fetch it again")
    return table


def _support_shape(table: Table) -> tuple[int, int]:
    """n_way and n_shot, from the names of the columns."""
    found = [match.groups() for name in table.header if (match := _SUPPORT.fullmatch(name))]
    supports = Counter(int(c) for c, _ in found)
    n_way = max(supports, default=0) + 1
    n_shot = max((int(k) for _, k in found), default=0) + 1
    names = ((c, f"class{c}_support{k}") for c in range(n_way) for k in range(n_shot))
    first = next(((c, name) for c, name in names if name not in table.header), None)
    if first is not None:
        c, name = first
        have = f"class{c} has {supports[c]} of {n_shot} supports, every class needs as many"
        raise _missing(table.path, name, have if supports[c] else "")
    return n_way, n_shot


def _query_columns(table: Table) -> list[str]:
    """``query0``, ``query1``, … up to the highest one there is."""
    numbers = [int(m[1]) for name in table.header if (m := _QUERY.fullmatch(name))]
    names = (f"query{i}" for i in range(max(numbers, default=0) + 1))
    if (first := next((name for name in names if name not in table.header), None)) is not None:
        raise _missing(table.path, first)
    return [f"query{i}" for i in range(len(numbers))]


def _missing(path: Path, column: str, why: str = "") -> InputError:
    return InputError(f"{path} has no column '{column}'" + (f": {why}" if why else ""))


def _require_known(table: Table, names: list[str]) -> None:
    """Refuse a column of another name: it may be a misspelt query, the last one."""
    known = {"", *names}
    if (other := next((name for name in table.header if name not in known), None)) is not None:
        raise InputError(
            f"{table.path}: column '{other}' is not {_EPISODE}, classC_supportK or queryQ: "
            "rename or delete it"
        )


def _require_filled(table: Table) -> None:
    for row in table.rows:
        empty = (n for n, cell in zip(table.header, row, strict=True) if n and not cell)
        if (name := next(empty, None)) is not None:
            episode = row[table.header.index(_EPISODE)]
            raise InputError(f"{table.path}, episode '{episode}': no {name}, fill it in")


def _episode_ids(table: Table) -> list[str]:
    ids = [row[0] for row in table.columns([_EPISODE])]
    if (twice := repeated(ids)) is not None:
        raise InputError(f"{table.path} has episode_id '{twice}' twice: keep one of the lines")
    return ids


def _matching_rows(predicted: list[str], true: list[str]) -> list[int]:
    """For every prediction, the row of its episode in the truth."""
    row_of = {normalize("NFC", episode): i for i, episode in enumerate(true)}
    for episode in predicted:
        if normalize("NFC", episode) not in row_of:
            raise InputError(
                f'Episodic id mismatch: "{episode}" does not exist in the provided ground truth '
                "file."
            )
    return [row_of[normalize("NFC", episode)] for episode in predicted]


def _read_positions(table: Table, queries: list[str], n_way: int | None = None) -> np.ndarray:
    """int64 ``(n_rows, n_queries)``; below ``n_way`` if that is known."""
    cells = table.columns(queries)
    values = {c: int(c) for c in set(cells.flat) if _POSITION.fullmatch(c)}
    values = {c: i for c, i in values.items() if n_way is None or i < n_way}
    for cell in set(cells.flat) - values.keys():
        row, column = np.argwhere(cells == cell)[0]
        episode = table.rows[row][table.header.index(_EPISODE)]
        highest = "up" if n_way is None else f"to {n_way - 1}"
        raise InputError(
            f"{table.path}, episode '{episode}', {queries[column]}: '{cell}' is not a position "
            f"among the classes, a whole number from 0 {highest}"
        )
    return np.array([[values[c] for c in row] for row in cells.tolist()])
