"""One process at a time: a lock file that outlives nobody."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from fewshot_lib.progress import announce


@contextlib.contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Hold this lock file; while another process holds it, wait and say so.

    The system lets go of it when its holder dies, however it dies.
    """
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        announce(f"{what}: another process is at it, waiting until it is done")
        held.acquire()
    try:
        yield
    finally:
        held.release()
