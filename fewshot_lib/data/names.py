"""Names of classes and files as text, whatever bytes and Unicode form a disk keeps them in."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from fewshot_lib.errors import InputError

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
