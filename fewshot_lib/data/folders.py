"""Folders of images as people keep them: their names, what is an image, what is passed over."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from PIL import Image

from fewshot_lib.errors import InputError

try:
    from pillow_heif import register_heif_opener
except ImportError:  # then .heic files are passed over
    pass
else:
    register_heif_opener()

# Formats that are no pixels, or that Pillow leaves to other programs.
_NOT_PIXELS = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"}

# What NAS systems, file managers, archivers and notebooks leave beside images, in lower case.
_OTHER_SOFTWARE = {
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@sharebin",
    "@tmp",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "__macosx",
    "__pycache__",
    "lost+found",
    "recycled",
    "recycler",
    "system volume information",
}
_NAMED = 5  # kinds of files that a line names

# Python keeps a byte that is no text as one of the code points DC80 to DCFF.
_ESCAPES = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}
_ESCAPES |= {byte: f"\\x{byte:02x}" for byte in (*range(0x20), 0x7F)}


def readable(name: str) -> str:
    r"""The name in one Unicode form (NFC); bytes that are no text are shown, ``caf\xe9``."""
    if name.isascii() and name.isprintable():
        return name
    text = name.translate(_ESCAPES).encode("utf-8", "backslashreplace").decode()
    return unicodedata.normalize("NFC", text)


def by_name(folders: Iterable[Path]) -> dict[str, Path]:
    """The folders by their readable names.

    Raises:
        InputError: two of them look alike, as the same letters in two Unicode forms do.
    """
    found: dict[str, Path] = {}
    for path in folders:
        name = readable(path.name)
        if name in found:
            raise InputError(
                f"two folders in {readable(str(path.parent))} are called '{name}', in different "
                f"bytes ({found[name].name!a} and {path.name!a}): rename or merge them"
            )
        found[name] = path
    return found


class PassedOver(Counter):
    """Numbers of what is neither a class nor an image, by kind; reads as one line."""

    def __str__(self) -> str:
        kinds = [f"{kind} ({n})" for kind, n in self.most_common(_NAMED)]
        others = len(self) - _NAMED
        return f"passed over: {', '.join(kinds)}{f' and {others} kinds more' * (others > 0)}"


@cache
def _image_suffixes() -> frozenset[str]:
    """Endings of the formats that Pillow opens here, in lower case: ``.jpg``, ``.avif``, …"""
    suffixes = Image.registered_extensions().items()
    return frozenset(s for s, kind in suffixes if kind in Image.OPEN and kind not in _NOT_PIXELS)


def is_image(path: Path) -> bool:
    """Whether the name is that of an image; hidden files are none."""
    return path.suffix.lower() in _image_suffixes() and not path.name.startswith(".")


def _is_other_software(name: str) -> bool:
    return name.startswith(".") or name.lower() in _OTHER_SOFTWARE


def subfolders(folder: Path, passed: PassedOver | None = None) -> list[Path]:
    """The folders in this one, sorted; those that are hidden or another program's do not count.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        folders = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise _unreadable(error) from None
    if passed is not None:
        passed.update(f"folder {p.name}" for p in folders if _is_other_software(p.name))
    return [path for path in folders if not _is_other_software(path.name)]


def images_in(folder: Path, root: Path, passed: PassedOver | None = None) -> list[Path]:
    """Images in ``folder`` and below it, sorted by name.

    Links are followed, each folder is entered once and ``root`` or one above it never: a link that
    leads back there would turn the whole data set into one class.

    Args:
        passed: is told what is passed over.

    Raises:
        InputError: a folder cannot be read.
    """
    files, seen, passed = [], set(), PassedOver() if passed is None else passed
    for where, inner, names in os.walk(folder, onerror=_stop, followlinks=True):
        real = Path(where).resolve()
        if real in seen or root.is_relative_to(real):
            inner.clear()
            continue
        seen.add(real)
        passed.update(f"folder {readable(x)}" for x in inner if _is_other_software(x))
        inner[:] = sorted(name for name in inner if not _is_other_software(name))
        paths = [Path(where, name) for name in names]
        files += [path for path in paths if is_image(path)]
        passed.update(map(_kind, (path for path in paths if not is_image(path))))
    return sorted(files, key=Path.as_posix)  # pathlib's own order depends on Python's version


def _kind(path: Path) -> str:
    """What a file that is no image is called where such files are counted."""
    if path.name.startswith("."):
        return "hidden file"
    return f"file {readable(path.suffix.lower())}" if path.suffix else "file without an ending"


def _stop(error: OSError) -> None:
    raise _unreadable(error)


def _unreadable(error: OSError) -> InputError:
    return InputError(f"folder {readable(error.filename)} cannot be read: {error.strerror}")
