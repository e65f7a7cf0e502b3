"""Runs as tasks of a Ray cluster (extra ``cluster``).

Tasks leave their runs in a folder that all nodes share, or in a storage. A task whose node is lost
starts anew on another one and goes on after the last epoch that was kept.
"""

import contextlib
import getpass
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines.board import Board, Events, meanwhile
from fewshot_lib.experiments.engines.jobs import Job, Outcome, attempt
from fewshot_lib.experiments.engines.params import EngineParams, environment
from fewshot_lib.experiments.engines.serial import torch_threads
from fewshot_lib.experiments.engines.storage import Storage, kept
from fewshot_lib.files import from_root, project_root, runs_folder

RETRIES = 5  # of a run whose node or process is lost
POLL = 1.0  # seconds between two looks at the progress
PATIENCE = 10  # seconds until a cluster that does not answer is given up


def make_all(jobs: list[Job], params: EngineParams) -> dict[str, Outcome]:
    """How each run went, by its name."""
    storage = Storage(params.storage) if params.storage else None
    found = bring(jobs, storage) if storage else {}
    todo = [job for job in jobs if job.name not in found]
    if not todo:
        return found
    with connected(params.address) as ray:
        outcomes = schedule(ray, todo, params)
    if storage:
        bring([job for job in todo if outcomes[job.name].error is None], storage)
    return found | outcomes


def bring(jobs: list[Job], storage: Storage) -> dict[str, Outcome]:
    """Copy runs that the storage has complete into the runs folder."""
    there = [job for job in jobs if storage.has(job.name)]
    for job in there:
        storage.fetch(runs_folder() / job.name)
    return {job.name: Outcome() for job in there}


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[ModuleType]:
    """Ray, connected to its cluster; a connection that was there before is used and left.

    Raises:
        InputError: Ray is not installed or there is no cluster.
    """
    try:
        import ray
    except ImportError:
        raise InputError(
            "engine 'ray' needs Ray: .venv/bin/pip install -c constraints.txt -e '.[cluster]'"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    try:
        knock(address)
        ray.init(address or "auto", logging_level="ERROR", log_to_driver=False)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"no Ray cluster at {address or 'auto'} ({reason}): start one with 'ray start --head', "
            "or name its address"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def knock(address: str | None) -> None:
    """See that somebody listens there: Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()


def schedule(ray: ModuleType, jobs: list[Job], params: EngineParams) -> dict[str, Outcome]:
    """Hand all jobs to the cluster and wait for them."""
    gpus, threads = demands(ray, params)
    options = {"num_cpus": threads, "num_gpus": gpus, "max_retries": RETRIES}
    # A process that ends after its run gives back what CUDA holds; without a GPU it is kept, since
    # starting one takes longer than a small run.
    task = ray.remote(**options, max_calls=1 if gpus else 0)(make)
    events = ray.remote(num_cpus=0, max_restarts=-1)(Collected).remote()
    board = Board(jobs, "Ray")
    how = about(params, threads, gpus)
    waiting = {task.remote(job_for(job, params), how, events): job for job in jobs}
    outcomes: dict[str, Outcome] = {}
    try:
        while waiting:
            done, _ = ray.wait([*waiting], timeout=POLL)
            for reference in done:
                job = waiting.pop(reference)
                outcomes[job.name] = outcome_of(ray, reference)
                board.finish(job.name)
            show(ray, events, board)
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)
        ray.kill(events)
    return outcomes


def demands(ray: ModuleType, params: EngineParams) -> tuple[float, int]:
    """GPUs and CPUs of each run.

    Raises:
        InputError: no node has as many; the run would wait for ever.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most = max((node.get("GPU", 0) for node in nodes), default=0)
    gpus = min(1, most) if params.gpus is None else params.gpus
    threads = params.threads or 1
    if not any(n.get("CPU", 0) >= threads and n.get("GPU", 0) >= gpus for n in nodes):
        raise InputError(
            f"no node of the Ray cluster has {threads} CPUs and {gpus:g} GPUs for a run: "
            "lower threads or gpus"
        )
    return gpus, threads


def about(params: EngineParams, threads: int, gpus: float) -> dict[str, Any]:
    """What a task must know beside its job."""
    device = os.environ.get("FEWSHOT_DEVICE")
    return {
        "root": None if params.storage else str(project_root().resolve()),
        "storage": params.storage,
        "threads": threads,
        "device": device if gpus or device else "cpu",
    }


def job_for(job: Job, params: EngineParams) -> dict[str, Any]:
    """The job as a task gets it; where the project's folder is another, data_dir is absolute."""
    values = job.to_json()
    if params.storage and job.spec.data_dir is not None:
        values["spec"]["data_dir"] = str(from_root(job.spec.data_dir).resolve())
    return values


def outcome_of(ray: ModuleType, reference: Any) -> Outcome:
    try:
        return Outcome(**ray.get(reference))
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return Outcome(f"lost {RETRIES + 1} times: {type(error).__name__}: {reason}")


def show(ray: ModuleType, events: Any, board: Board) -> None:
    """Bring the board up to date; a collector that is being moved is asked again later."""
    with contextlib.suppress(ray.exceptions.RayError):
        for name, line in ray.get(events.take.remote(), timeout=POLL):
            board.take(name, line)
    board.look()


class Collected:
    """An actor that gathers progress from all nodes."""

    def __init__(self):
        self.events: list[tuple[str, bytes]] = []

    def add(self, events: list[tuple[str, bytes]]) -> None:
        self.events += events

    def take(self) -> list[tuple[str, bytes]]:
        events, self.events = self.events, []
        return events


def make(job: dict[str, Any], how: dict[str, Any], collected: Any) -> dict[str, Any]:
    """The task: make one run, on whatever node it is."""
    root = how["root"] or str(scratch(how["storage"]))
    with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
        file = Path(folder) / f"{job['name']}.jsonl"
        variables = {"FEWSHOT_ROOT": root, "FEWSHOT_PROGRESS": str(file)}
        variables |= {"FEWSHOT_DEVICE": how["device"]} if how["device"] else {}
        forward = Forward(Events(Path(folder)), collected)
        with environment(**variables), torch_threads(how["threads"]), meanwhile(POLL, forward):
            return make_and_keep(Job.from_json(job), how["storage"]).to_json()


class Forward:
    """Sends new events to the collector; nobody waits for its answer."""

    def __init__(self, events: Events, collected: Any):
        self.events, self.collected = events, collected

    def __call__(self) -> None:
        if new := self.events.new():
            self.collected.add.remote(new)


def make_and_keep(job: Job, url: str | None) -> Outcome:
    if url is None:
        return attempt(job)
    try:
        with kept(Storage(url), runs_folder() / job.name):
            return attempt(job)
    except Exception as error:  # each kind of storage has its own
        return Outcome(f"storage {url}: {error}", isinstance(error, InputError))


def scratch(url: str) -> Path:
    """A folder of this node for decoded images and unfinished runs of this storage."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"fewshot-{getpass.getuser()}-{digest}"
