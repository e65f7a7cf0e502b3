"""Several runs at a time on one machine: a process for each GPU, or for each share of the cores.

Every worker is a fresh interpreter, whose environment says before anything is imported which GPU
it may see and how many threads it has. A worker that dies takes its run along and nothing else.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import torch

import fewshot_lib
from fewshot_lib.experiments.engines.board import Board, Events
from fewshot_lib.experiments.engines.jobs import Job, Outcome
from fewshot_lib.experiments.engines.params import EngineParams

POLL = 0.2  # seconds between two looks at the workers
PATIENCE = 5  # seconds until a worker that was asked to end is killed


def make_all(jobs: list[Job], params: EngineParams) -> dict[str, Outcome]:
    """How each run went, by its name."""
    gpus = visible_gpus()
    n_workers, threads = shares(len(jobs), params, len(gpus))
    board = Board(jobs, f"{n_workers} at a time")
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
        events = Events(Path(folder))
        seats = [
            Seat(waiting, Path(folder) / f"{i}.log", threads, gpus[i % len(gpus)] if gpus else None)
            for i in range(n_workers)
        ]
        try:
            watch(seats, events, board)
        finally:
            for seat in seats:
                seat.close()
    return {name: outcome for seat in seats for name, outcome in seat.outcomes.items()}


def watch(seats: list["Seat"], events: Events, board: Board) -> None:
    """Start all and show how they come on until the last one is done."""
    for seat in seats:
        seat.start()
    told: set[str] = set()
    while True:
        running = [seat for seat in seats if seat.is_alive()]
        for name, line in events.new():
            board.take(name, line)
        for name in [n for seat in seats for n in list(seat.outcomes) if n not in told]:
            told.add(name)
            board.finish(name)
        board.look()
        if not running:
            return
        running[0].join(POLL)


def visible_gpus() -> list[str]:
    """Names for ``CUDA_VISIBLE_DEVICES``, one for each GPU that this process may use.

    Counted without taking hold of any of them.
    """
    if not os.environ.get("FEWSHOT_DEVICE", "auto").startswith(("auto", "cuda")):
        return []
    count = torch.cuda.device_count()
    if names := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return [name.strip() for name in names.split(",")][:count]
    return [str(i) for i in range(count)]


def shares(n_jobs: int, params: EngineParams, n_gpus: int) -> tuple[int, int]:
    """Number of workers, and of CPU threads for each: together as many as there are cores."""
    cores = core_count()
    n_workers = params.workers or n_gpus or max(1, cores // (params.threads or 1))
    n_workers = min(n_workers, n_jobs)
    return n_workers, params.threads or max(1, cores // n_workers)


def core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Seat(threading.Thread):
    """A thread that feeds jobs to a worker process, and to another one when that dies."""

    def __init__(self, waiting: queue.SimpleQueue, log: Path, threads: int, gpu: str | None):
        super().__init__(daemon=True)
        self.waiting, self.log, self.threads, self.gpu = waiting, log, threads, gpu
        self.outcomes: dict[str, Outcome] = {}
        self.process: subprocess.Popen | None = None
        self.closed, self.lock = False, threading.Lock()

    def run(self) -> None:
        while not self.closed:
            try:
                job = self.waiting.get_nowait()
            except queue.Empty:
                return
            self.outcomes[job.name] = self.make(job)

    def make(self, job: Job) -> Outcome:
        order = {
            "job": job.to_json(),
            "events": str(self.log.parent / f"{job.name}.jsonl"),
            "threads": self.threads,
        }
        process = self.worker()
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return Outcome(**json.loads(process.stdout.readline()))
        except (OSError, ValueError):  # the pipe is broken or its end is reached
            return Outcome(f"its process died ({self.cause(process.wait())})")

    def worker(self) -> subprocess.Popen:
        with self.lock:
            if self.closed:
                raise SystemExit  # ends this thread
            if self.process is None or self.process.poll() is not None:
                self.process = self.spawn()
            return self.process

    def spawn(self) -> subprocess.Popen:
        threads = str(self.threads)
        own = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        own |= {"CUDA_VISIBLE_DEVICES": self.gpu} if self.gpu is not None else {}
        code = str(Path(fewshot_lib.__file__).parent.parent)
        paths = [code, *filter(None, [os.environ.get("PYTHONPATH")])]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fewshot_lib.experiments.engines.worker"],
                env=os.environ | own | {"PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C goes to the parent, which ends the workers
            )

    def cause(self, status: int) -> str:
        if status == -9:
            return "signal 9, perhaps for lack of memory"
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return f"signal {-status}" if status < 0 else lines[-1] if lines else f"status {status}"

    def close(self) -> None:
        """End the worker; its run keeps the epochs that are finished."""
        with self.lock:
            self.closed = True
            process = self.process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()
        self.join()
        process.stdout.close()
