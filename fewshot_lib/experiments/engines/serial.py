"""One run after another, in this process."""

import contextlib
from collections.abc import Iterator

import torch

from fewshot_lib.experiments.engines.jobs import Job, Outcome, attempt
from fewshot_lib.experiments.engines.settings import EngineSettings


def make_all(jobs: list[Job], settings: EngineSettings) -> dict[str, Outcome]:
    """How each run went, by its name."""
    with torch_threads(settings.threads):
        return {job.name: attempt(job) for job in jobs}


@contextlib.contextmanager
def torch_threads(n: int | None) -> Iterator[None]:
    """So many threads inside the block; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
