"""What every engine does: name the runs, make one of them, tell which ones failed and why."""

import errno
import traceback
from collections.abc import Iterable, Mapping

import torch
from filelock import FileLock

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.runs import bank_for, data_params, look_at_data, run, run_folder
from fewshot_lib.files import cache_folder
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.words import run_title

_NAMED = 3  # failed runs that the error names
_FULL = (errno.ENOSPC, errno.EDQUOT)


def run_names(specs: Iterable[Spec]) -> list[str]:
    """The name of each spec's run; the data is looked at once, however many specs share it."""
    specs = list(specs)
    for spec in {data_params(spec): spec for spec in specs}.values():
        look_at_data(spec)
    return [run_folder(spec).name for spec in specs]


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


def raise_failures(specs: Mapping[str, Spec], errors: Mapping[str, Exception | None]) -> None:
    """One error for all runs that failed, if any did: of the gravest one's kind.

    Args:
        specs, errors: by name of the run; errors as of ``attempt``.
    """
    failed = {name: error for name, error in errors.items() if error}
    if not failed:
        return
    worst = min(failed.values(), key=lambda error: isinstance(error, InputError))
    if len(specs) == 1:
        raise worst
    words = [f"{run_title(specs[name])} ({name}): {error}" for name, error in failed.items()]
    more = f"; and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    start = f"{len(failed)} of {len(specs)} runs failed, the others are complete"
    number = [worst.errno] if isinstance(worst, OSError) else []
    raise type(worst)(*number, f"{start}: {'; '.join(words[:_NAMED])}{more}") from worst
