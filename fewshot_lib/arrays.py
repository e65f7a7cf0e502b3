"""Arrays in files of their own, which hold what can be computed again."""

from pathlib import Path

import numpy as np

from fewshot_lib.paths import replacing


def read_array(path: Path) -> np.ndarray | None:
    """The array kept in this file; None if it is missing or damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a whole array, or leave the old one as it was."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)
