"""Runs kept where fsspec can reach them, for machines that share no folder.

A run that is being made is sent there after its epochs, so that another machine can go on with it.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines.board import meanwhile
from fewshot_lib.experiments.runs import RESULT, SPEC
from fewshot_lib.files import atomic_file
from fewshot_lib.learning.checkpoints import HISTORY, PREVIOUS, STATE, WEIGHTS

POLL = 1.0  # seconds between two looks for a new epoch
SHARE = 0.1  # of the time may go into sending
RESUMABLE = (SPEC, WEIGHTS, HISTORY, STATE)  # in this order: see send


class Storage:
    """A folder for runs behind any address that fsspec understands.

    Raises:
        InputError: the address is wrong or its kind needs a package that is missing.
    """

    def __init__(self, url: str):
        import fsspec

        try:
            self.files, self.root = fsspec.core.url_to_fs(url)
            self.files.makedirs(self.root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise InputError(f"storage {url} cannot be used: {error}") from None

    def path(self, name: str, *parts: str) -> str:
        return "/".join((self.root.rstrip("/"), name, *parts))

    def has(self, name: str) -> bool:
        """Whether the run of this name is there and complete."""
        self.files.invalidate_cache()
        return self.files.exists(self.path(name, RESULT))

    def send(self, folder: Path, files: Iterable[str]) -> None:
        """Copy these files of a run, in this order; each appears whole.

        A state that is older than the weights beside it does no harm, since the epoch after it is
        trained again, with the same outcome. So the state is taken first and sent last.
        """
        with contextlib.ExitStack() as stack:
            taken = {n: stack.enter_context((folder / n).open("rb")) for n in reversed([*files])}
            for name, file in reversed(taken.items()):
                target = self.path(folder.name, name)
                self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
                with self.files.open(f"{target}.part", "wb") as copy:
                    while block := file.read(1 << 20):
                        copy.write(block)
                self.files.mv(f"{target}.part", target)

    def fetch(self, folder: Path) -> None:
        """Bring a run here, its result last; what is half sent is left."""
        self.files.invalidate_cache()
        if not self.files.exists(self.path(folder.name)):
            return
        base = self.path(folder.name) + "/"
        names = [str(p).partition(base)[2] for p in self.files.find(base)]
        for name in sorted((n for n in names if not n.endswith(".part")), key=RESULT.__eq__):
            with atomic_file(folder / name) as temporary:
                self.files.get_file(base + name, str(temporary))


@contextlib.contextmanager
def kept(storage: Storage, folder: Path) -> Iterator[None]:
    """Go on with what the storage has of this run, and keep it up to date while it is made."""
    storage.fetch(folder)
    with meanwhile(POLL, Sender(storage, folder)):
        yield
    if (folder / RESULT).exists():
        visible = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
        names = [p.relative_to(folder).as_posix() for p in visible]
        storage.send(folder, sorted(names, key=RESULT.__eq__))
        for name in (STATE, PREVIOUS):
            with contextlib.suppress(FileNotFoundError):
                storage.files.rm(storage.path(folder.name, name))


class Sender:
    """Sends a run whenever it has got on, but not all the time."""

    def __init__(self, storage: Storage, folder: Path):
        self.storage, self.folder = storage, folder
        self.sent, self.free = self.stamp(), 0.0

    def stamp(self) -> int | None:
        """Changes with every epoch."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / STATE).stat().st_mtime_ns
        return None

    def __call__(self) -> None:
        stamp, began = self.stamp(), time.monotonic()
        if stamp in (None, self.sent) or began < self.free:
            return
        with contextlib.suppress(Exception):  # of any kind; the next epoch is another chance
            self.storage.send(self.folder, RESUMABLE)
            self.sent = stamp
        now = time.monotonic()
        self.free = now + (now - began) / SHARE
