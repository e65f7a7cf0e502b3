"""What every engine does: which runs are to be made, how one of them is made, what went wrong."""

import errno
import hashlib
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from filelock import FileLock

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.runs import (
    RESULT,
    bank_for,
    data_params,
    look_at_data,
    run,
    run_folder,
)
from fewshot_lib.files import cache_folder, runs_folder
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.words import run_title

_NAMED = 3  # failed runs that the error names
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Job:
    """A run to be made.

    Attributes:
        name: of its folder.
        episodes: if not 0, the run is also judged on so many of the report's episodes.
    """

    name: str
    spec: Spec
    episodes: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a job went.

    Attributes:
        error: one line; None if all is well.
        is_input: the error was an ``InputError``.
        number: the error number, if the system gave one.
        trace: the whole traceback.
    """

    error: str | None = None
    is_input: bool = False
    number: int | None = None
    trace: str = ""


def run_names(specs: Iterable[Spec]) -> list[str]:
    """The name of each spec's run; the data is looked at once, however many specs share it.

    Raises:
        InputError: the data of a spec cannot be found.
    """
    specs = list(specs)
    for spec in {data_params(spec): spec for spec in specs}.values():
        look_at_data(spec)
    return [run_folder(spec).name for spec in specs]


def missing_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Those whose run is not complete, each once."""
    different = {job.name: job for job in jobs}.values()
    return [job for job in different if not (runs_folder() / job.name / RESULT).exists()]


def attempt(job: Job) -> Outcome:
    """Make the run, come what may."""
    try:
        if run_folder(job.spec).name != job.name:
            raise InputError(
                "the worker has other data or another version of this project: "
                "give all of them the same"
            )
        _decode_images(job.spec)
        made = run(job.spec)
        if job.episodes:
            made.evaluate(job.episodes)
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        is_input = isinstance(error, InputError)
        text = text if is_input else f"{type(error).__name__}: {text}"
        return Outcome(text, is_input, getattr(error, "errno", None), traceback.format_exc())
    return Outcome()


def _decode_images(spec: Spec) -> None:
    """Have the run's images decoded, by one process while the others wait."""
    digest = hashlib.sha256(data_params(spec).encode()).hexdigest()[:12]
    cache_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder() / f".{digest}.lock"):
        for split in ("train", "val"):
            bank_for(spec, split)


def raise_failures(jobs: Iterable[Job], outcomes: Mapping[str, Outcome]) -> None:
    """One error for all runs that failed, if any did.

    Raises:
        InputError: all of them failed for wrong input.
        OSError: the disk is full.
        RuntimeError: something else.
    """
    jobs = list(jobs)
    failed = [(job, o) for job in jobs if (o := outcomes[job.name]).error is not None]
    if not failed:
        return
    message = _in_words(failed, len(jobs))
    if all(outcome.is_input for _, outcome in failed):
        raise InputError(message)
    worst = next(outcome for _, outcome in failed if not outcome.is_input)
    error = OSError(worst.number, message) if worst.number in _FULL else RuntimeError(message)
    error.add_note(worst.trace)
    raise error


def _in_words(failed: list[tuple[Job, Outcome]], n_jobs: int) -> str:
    if n_jobs == 1:
        return failed[0][1].error
    errors = [f"{run_title(j.spec)} ({j.name}): {o.error}" for j, o in failed[:_NAMED]]
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    start = f"{len(failed)} of {n_jobs} runs failed, the others are complete"
    return f"{start}: {'; '.join(errors)}{more}"
