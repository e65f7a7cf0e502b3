"""Downloads are torchvision's; what goes wrong in them is told in one line."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from fewshot_lib.errors import InputError

# No connection, no such page, cut short, wrong checksum, damaged archive, no room or permission.
FAILURES = (OSError, RuntimeError, HTTPException, tarfile.TarError, zipfile.BadZipFile)


@contextmanager
def downloading(what: str, folder: Path, by_hand: str) -> Iterator[None]:
    """Make ``folder``, and turn a failed download inside the block into one line.

    Args:
        by_hand: what to do where there is no way to download, ``extract … into …``.

    Raises:
        InputError: the download failed, for whatever reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{what} could not be downloaded into {folder} ({reason.rstrip('.')}): "
            f"try again, or {by_hand} and set download: false"
        ) from None
