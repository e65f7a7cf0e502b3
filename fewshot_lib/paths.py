"""Where things lie, independent of the folder a command or a kernel is started in."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


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
def replacing(path: Path) -> Iterator[Path]:
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
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
