"""Finished runs kept where fsspec can reach them, for machines that share no folder."""

from pathlib import Path

import fsspec

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import RESULT
from fewshot_lib.files import atomic_file


class Storage:
    """A folder of runs behind any address that fsspec understands, a plain path too.

    Raises:
        InputError: the address is wrong or its kind needs a package that is missing.
    """

    def __init__(self, url: str):
        try:
            self.files, self.root = fsspec.core.url_to_fs(url, use_listings_cache=False)
            self.files.makedirs(self.root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise InputError(f"storage {url} cannot be used: {error}") from None

    def _address(self, folder: Path) -> str:
        return f"{self.root.rstrip('/')}/{folder.name}/"

    def put(self, folder: Path) -> None:
        """Copy a finished run there, its result last, which says that it is complete."""
        paths = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
        for path in sorted(paths, key=lambda path: path.name == RESULT):
            target = self._address(folder) + path.relative_to(folder).as_posix()
            self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(path), target)

    def fetch(self, folder: Path) -> bool:
        """Copy the run of this folder's name here, its result last; False if it is not there."""
        base = self._address(folder)
        if not self.files.exists(base + RESULT):
            return False
        names = [path.partition(base)[2] for path in self.files.find(base)]
        for name in sorted(names, key=RESULT.__eq__):
            with atomic_file(folder / name) as temporary:
                self.files.get_file(base + name, str(temporary))
        return True
