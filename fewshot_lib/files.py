"""Where things lie, independent of the folder a command or a kernel is started in."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from fewshot_lib.errors import InputError
from fewshot_lib.progress import announce


def project_root() -> Path:
    """The checkout that holds ``notebooks/`` and ``params/``; ``FEWSHOT_ROOT`` overrides it."""
    if root := os.environ.get("FEWSHOT_ROOT"):
        return Path(root)
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def from_root(path: str) -> Path:
    """A path as the user wrote it: ``~`` is home, a relative one starts at the project root."""
    return project_root() / Path(path).expanduser()


def cache_folder() -> Path:
    """Decoded image banks: can be deleted at any time, is made again when needed."""
    return project_root() / ".cache" / "banks"


def runs_folder() -> Path:
    """Trained runs, one folder each, named by the hash of their spec and data."""
    return project_root() / "reports" / "runs"


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place whole, or not at all.

    Whoever reads ``path`` sees the old content or the new one, never half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, or leave the old one as it was."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def output_folder(folder: Path) -> Path:
    """The folder, made if need be.

    Raises:
        InputError: it cannot be written to, or it holds the notebooks themselves.
    """
    folder = folder.expanduser().resolve()
    if folder == (project_root() / "notebooks").resolve():
        raise InputError(f"output {folder} holds the notebooks themselves: name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise InputError(f"output {folder} cannot be written to: {error.strerror}") from None


def output_file(path: Path) -> Path:
    """The absolute path of a file to be written; its folder is made if need be.

    Raises:
        InputError: the folder cannot be written to, or there is a folder of this name.
    """
    file = output_folder(path.expanduser().parent) / path.name
    if file.is_dir():
        raise InputError(f"output {file} is a folder: name a file in it")
    return file


def read_array(path: Path) -> np.ndarray | None:
    """The array kept in this file; None if it is missing or damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a whole array, or leave the old one as it was."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


@contextlib.contextmanager
def hold_lock(lock: Path, what: str) -> Iterator[None]:
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


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_safe(text: str) -> str:
    """The text, with a quote before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
