"""What files hold, as digests: each is read once, then known by its path, size and times."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from fewshot_lib.files import cache_folder, write_text

_CHUNK = 256  # files per task
_SETTLED = 2 * 10**9  # nanoseconds after which a file that changes again has another time


class Content(NamedTuple):
    """One image: its class, what the source calls it, a digest of its content ("" if drawn)."""

    label: str
    id: str
    digest: str


def _file_digest(path: str) -> str:
    """32 hex digits of the file's content; "" if it cannot be read."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""


def digests(
    files: Sequence[str], data_dir: Path, digest: Callable[[str], Any] = _file_digest
) -> list[Any]:
    """``digest`` of each file, kept in the cache folder for each ``data_dir``.

    A file whose size and times (of its content and of its entry in the folder) are as they were is
    not read again, unless it had changed in the last two seconds when it was read.

    Args:
        digest: makes of a path what JSON can keep.
    """
    place = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    store = cache_folder() / f"contents-{digest.__name__.strip('_')}-{place}.json"
    kept, stamps = _read(store, _stamp(str(store))), [_stamp(file) for file in files]
    new = [i for i, f in enumerate(files) if kept.get(f, [None])[0] != stamps[i]]
    if not new:
        return [kept[file][1] for file in files]
    known = kept | _look_at([files[i] for i in new], [stamps[i] for i in new], digest)
    limit = time.time_ns() - _SETTLED
    settled = {f: k for f, k in known.items() if k[0] is not None and max(k[0][1:]) < limit}
    if settled != kept:
        write_text(store, json.dumps(settled))
    return [known[file][1] for file in files]


def _look_at(files: list[str], stamps: list, digest: Callable[[str], Any]) -> dict[str, list]:
    """Stamp and digest of each file."""

    def chunk(start: int) -> list:
        return [digest(file) for file in files[start : start + _CHUNK]]

    with ThreadPoolExecutor() as pool:
        parts = pool.map(chunk, range(0, len(files), _CHUNK))
        found = [value for part in parts for value in part]
    return {f: [s, value] for f, s, value in zip(files, stamps, found, strict=True)}


def _stamp(file: str) -> tuple[int, ...] | None:
    """Size and times in nanoseconds; plain strings, as this runs once per image."""
    try:
        stat = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@lru_cache(maxsize=4)
def _read(store: Path, stamp: tuple[int, ...] | None) -> dict[str, list]:
    """The file's entries; none if it is missing or damaged."""
    try:
        entries = json.loads(store.read_text("utf-8"))
        return {file: [tuple(stamp), value] for file, (stamp, value) in entries.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
