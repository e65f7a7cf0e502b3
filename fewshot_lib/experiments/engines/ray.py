"""Runs as tasks of Ray (extra ``cluster``): on this machine, or on a cluster.

Tasks leave their runs in a folder that all machines share, or in a storage. A run whose process or
machine is lost starts anew elsewhere and goes on after the last epoch that was kept.
"""

import getpass
import hashlib
import os
import signal
import socket
import tempfile
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines.jobs import Job, Outcome, attempt
from fewshot_lib.experiments.engines.serial import torch_threads
from fewshot_lib.experiments.engines.settings import EngineSettings
from fewshot_lib.experiments.engines.storage import Storage, keep
from fewshot_lib.files import from_root, project_root, runs_folder
from fewshot_lib.progress import Progress

_RETRIES = 5  # of a run whose process or machine is lost
_POLL = 1.0  # seconds between two looks at the progress
_PATIENCE = 10  # seconds until a cluster that does not answer is given up
_OBJECTS = 100 * 2**20  # bytes for what tasks hand over: a few words each
_QUIET = {"logging_level": "ERROR", "log_to_driver": False}


def make_all(jobs: list[Job], settings: EngineSettings) -> dict[str, Outcome]:
    """How each run went, by its name."""
    if not settings.storage:
        return _make_on(_connect(settings.address), jobs, settings)
    storage = Storage(settings.storage)
    found = _fetch(jobs, storage)
    todo = [job for job in jobs if job.name not in found]
    made = _make_on(_connect(settings.address), todo, settings) if todo else {}
    _fetch([job for job in todo if made[job.name].error is None], storage)
    return found | made


def _fetch(jobs: list[Job], storage: Storage) -> dict[str, Outcome]:
    """Copy runs that the storage has complete into the runs folder."""
    there = [job for job in jobs if storage.has(job.name)]
    for job in there:
        storage.fetch(runs_folder() / job.name)
    return {job.name: Outcome() for job in there}


def _connect(address: str | None) -> ModuleType:
    """Ray, started on this machine or connected to a cluster, until this process ends.

    A connection that this process has already is used, since starting takes many seconds.

    Raises:
        InputError: Ray is not installed, does not start, or there is no cluster.
    """
    try:
        import ray
    except ImportError:
        raise InputError("engine 'ray' needs Ray: pip install 'fewshot-report[cluster]'") from None
    if ray.is_initialized():
        return ray
    on_end = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            _require_listener(address)
            ray.init(address, **_QUIET)
        else:
            _start(ray)
    except Exception as error:  # Ray raises plain ones too
        reason = str(error).strip().splitlines()[0]
        remedy = "start one with 'ray start --head', or leave the address out"
        raise InputError(
            f"no Ray cluster at {address} ({reason}): {remedy}"
            if address
            else f"Ray does not start on this machine ({reason}): try again, or engine 'serial'"
        ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_end)  # Ray's prints a trace when a kernel is ended
    return ray


def _require_listener(address: str) -> None:
    """Raise an OSError if nobody listens there: Ray itself would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _start(ray: ModuleType) -> None:
    """Start Ray for this process alone, with its cores and GPUs."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", str(_RETRIES))  # else for ever
    options = {
        "address": "local",
        "num_cpus": _core_count(),
        "include_dashboard": False,
        "object_store_memory": _OBJECTS,
    }
    try:
        ray.init(**options, **_QUIET)
    except Exception:  # Ray gives itself 30 seconds, too few where the disk is slow at first
        ray.init(**options, **_QUIET)


def _core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _make_on(ray: ModuleType, jobs: list[Job], settings: EngineSettings) -> dict[str, Outcome]:
    """Hand all jobs to Ray and wait for them."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus, threads = _share(nodes, len(jobs), settings)
    # A process that ends after its run gives back what CUDA holds; without a GPU it is kept, since
    # starting one takes longer than a small run.
    options = {"num_cpus": threads, "num_gpus": gpus, "max_calls": 1 if gpus else 0}
    task = ray.remote(**options, max_retries=_RETRIES)(_make)
    device = os.environ.get("FEWSHOT_DEVICE") or ("auto" if gpus else "cpu")
    root = None if settings.storage else str(project_root().resolve())
    board = _Board(jobs, settings.storage)
    waiting = {
        task.remote(_portable(job, settings), threads, device, root, settings.storage): job
        for job in jobs
    }
    outcomes: dict[str, Outcome] = {}
    try:
        while waiting:
            done, _ = ray.wait([*waiting], timeout=_POLL)
            for reference in done:
                outcomes[waiting.pop(reference).name] = _outcome_of(ray, reference)
            board.show(outcomes)
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)
    return outcomes


def _share(
    nodes: list[dict[str, float]], n_jobs: int, settings: EngineSettings
) -> tuple[float, int]:
    """GPUs and CPU threads of each run: together all that these machines have, if not said.

    Args:
        nodes: each one's ``CPU`` and ``GPU``.

    Raises:
        InputError: no machine has as many as are asked for; the run would wait for ever.
    """
    gpus = settings.gpus
    if gpus is None:
        on_cpu = os.environ.get("FEWSHOT_DEVICE") == "cpu"
        gpus = 0 if on_cpu else min(1, max(node.get("GPU", 0) for node in nodes))
    least = settings.threads or 1
    fitting = [n for n in nodes if n.get("CPU", 0) >= least and n.get("GPU", 0) >= gpus]
    if not fitting:
        raise InputError(f"no machine has {least} CPUs and {gpus:g} GPUs for a run: ask for fewer")
    cores = [int(node["CPU"]) for node in fitting]
    at_once = sum(node["GPU"] for node in fitting) // gpus if gpus else sum(cores)
    return gpus, settings.threads or int(max(1, min(*cores, sum(cores) // min(n_jobs, at_once))))


def _portable(job: Job, settings: EngineSettings) -> Job:
    """The job for a machine whose project lies elsewhere: its data_dir is absolute."""
    if not settings.storage or job.spec.data_dir is None:
        return job
    folder = str(from_root(job.spec.data_dir).resolve())
    return Job(job.name, job.spec.model_copy(update={"data_dir": folder}), job.episodes)


def _outcome_of(ray: ModuleType, reference: Any) -> Outcome:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return Outcome(f"lost {_RETRIES + 1} times: {type(error).__name__}: {reason}")


class _Board:
    """Progress of all runs in one line: the epochs that lie in their folders."""

    def __init__(self, jobs: list[Job], storage: str | None):
        self.jobs, self.storage = jobs, Storage(storage or str(runs_folder()))
        n_epochs = sum(job.spec.epochs for job in jobs)
        self.progress = Progress(f"{len(jobs)} runs on Ray", n_epochs, 1, self._epochs({}))

    def _epochs(self, outcomes: dict[str, Outcome]) -> int:
        """Of all runs; one that is over, well or not, has none ahead."""
        return sum(
            job.spec.epochs if job.name in outcomes else self.storage.epochs(job.name)
            for job in self.jobs
        )

    def show(self, outcomes: dict[str, Outcome]) -> None:
        self.progress.say(self._epochs(outcomes), f"{len(outcomes)} complete")


def _make(job: Job, threads: int, device: str, root: str | None, storage: str | None) -> Outcome:
    """The task: make one run, on whatever machine it is."""
    os.environ.update(FEWSHOT_ROOT=root or str(_scratch(storage)), FEWSHOT_DEVICE=device)
    with torch_threads(threads):
        if storage is None:
            return attempt(job)
        try:
            with keep(Storage(storage), runs_folder() / job.name):
                return attempt(job)
        except Exception as error:  # each kind of storage has its own
            return Outcome(f"storage {storage}: {error}", isinstance(error, InputError))


def _scratch(url: str) -> Path:
    """A folder of this machine for decoded images and unfinished runs of this storage."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"fewshot-{getpass.getuser()}-{digest}"
