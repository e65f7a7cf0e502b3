"""What every engine does: make one run, and tell what went wrong."""

import errno
import traceback

import torch
from filelock import FileLock

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.runs import bank_for, run, run_folder
from fewshot_lib.files import cache_folder
from fewshot_lib.spec.parameters import Spec

_FULL = (errno.ENOSPC, errno.EDQUOT)


def attempt(name: str, spec: Spec, episodes: int, threads: int | None) -> Exception | None:
    """Make the run, come what may.

    Args:
        episodes: if not 0, the run is also judged on so many of the report's episodes.
        threads: of PyTorch; None leaves them as they are.

    Returns:
        What went wrong, in one line: an ``InputError``, an ``OSError`` if the disk is full, else a
        ``RuntimeError``. They can be pickled, which not all errors can.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        if run_folder(spec).name != name:
            raise InputError(
                "a worker has other data or another version of this project: give all the same"
            )
        # Images are decoded by one process while the others wait.
        cache_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(cache_folder() / ".lock"):
            for split in ("train", "val"):
                bank_for(spec, split)
        made = run(spec)
        if episodes:
            made.evaluate(episodes)
    except Exception as error:
        return _portable(error)
    finally:
        torch.set_num_threads(before)
    return None


def _portable(error: Exception) -> Exception:
    """The error in one line, with its traceback as a note."""
    words = " ".join(str(error).split())
    if isinstance(error, InputError):
        return InputError(words)
    words = f"{type(error).__name__}: {words}"
    number = getattr(error, "errno", None)
    portable = OSError(number, words) if number in _FULL else RuntimeError(words)
    portable.add_note(traceback.format_exc())
    return portable
