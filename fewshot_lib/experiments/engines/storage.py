"""Runs kept where fsspec can reach them, for machines that share no folder.

A run that is being made is sent there after its epochs, so that another machine can go on with it.
"""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import DATA, RESULT, SPEC
from fewshot_lib.files import atomic_file
from fewshot_lib.learning.checkpoints import HISTORY, STATE, WEIGHTS

_EVERY = 30.0  # seconds between two looks for a new epoch
_RESUMABLE = (DATA, SPEC, WEIGHTS, HISTORY, STATE)


class Storage:
    """A folder of runs behind any address that fsspec understands, a plain path too.

    Raises:
        InputError: the address is wrong or its kind needs a package that is missing.
    """

    def __init__(self, url: str):
        import fsspec

        try:
            self.files, self.root = fsspec.core.url_to_fs(url, use_listings_cache=False)
            self.files.makedirs(self.root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise InputError(f"storage {url} cannot be used: {error}") from None

    def _path(self, *parts: str) -> str:
        return "/".join((self.root.rstrip("/"), *parts))

    def has(self, name: str) -> bool:
        """Whether the run of this name is there and complete."""
        return self.files.exists(self._path(name, RESULT))

    def epochs(self, name: str) -> int:
        """How many epochs of this run are there."""
        try:
            return self.files.cat_file(self._path(name, HISTORY)).count(b"\n") - 1
        except OSError:
            return 0  # none yet, or out of reach for the moment

    def send(self, folder: Path, names: Sequence[str]) -> None:
        """Copy these files of a run, in this order; each appears whole.

        A state that is older than the weights beside it does no harm, since the epoch after it is
        trained again, with the same outcome. So what is sent last is taken first.
        """
        with tempfile.TemporaryDirectory(prefix="fewshot-") as taken:
            for name in reversed(names):
                (Path(taken) / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(folder / name, Path(taken) / name)
            for name in names:
                target = self._path(folder.name, name)
                self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
                self.files.put_file(f"{taken}/{name}", f"{target}.part")
                self.files.mv(f"{target}.part", target)

    def fetch(self, folder: Path) -> None:
        """Bring what there is of a run here, its result last."""
        base = self._path(folder.name) + "/"
        names = [path.partition(base)[2] for path in self.files.find(base)]
        for name in sorted((n for n in names if not n.endswith(".part")), key=RESULT.__eq__):
            with atomic_file(folder / name) as temporary:
                self.files.get_file(base + name, str(temporary))


@contextlib.contextmanager
def keep(storage: Storage, folder: Path) -> Iterator[None]:
    """Go on with what the storage has of this run, and keep it up to date while it is made."""
    storage.fetch(folder)
    over = threading.Event()
    sender = threading.Thread(target=_send_epochs, args=(storage, folder, over), daemon=True)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()
    if (folder / RESULT).exists():
        visible = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
        names = [path.relative_to(folder).as_posix() for path in visible]
        storage.send(folder, sorted(names, key=RESULT.__eq__))
        with contextlib.suppress(FileNotFoundError):
            storage.files.rm(storage._path(folder.name, STATE))


def _send_epochs(storage: Storage, folder: Path, over: threading.Event) -> None:
    """Send the run whenever it has got on, until it is over."""
    sent = None
    while not over.wait(_EVERY):
        with contextlib.suppress(Exception):  # each kind of storage has its own; later again
            made = (folder / STATE).stat().st_mtime_ns
            if made != sent:
                storage.send(folder, _RESUMABLE)
                sent = made
