"""Runs as tasks of Ray (extra ``cluster``): on this machine, or on a cluster.

Tasks work in the project's folder, at the same path on every machine. If machines do not share it,
finished runs go to a storage and come from there. A run whose process is lost goes on after its
last epoch; where its folder is out of reach, on another machine, it starts anew.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines.jobs import attempt
from fewshot_lib.experiments.engines.settings import EngineSettings
from fewshot_lib.experiments.engines.storage import Storage
from fewshot_lib.files import project_root, runs_folder
from fewshot_lib.learning.checkpoints import HISTORY
from fewshot_lib.progress import Progress
from fewshot_lib.spec.parameters import Spec

_RETRIES = 5  # of a run whose process or machine is lost
_POLL = 1.0  # seconds between two looks at the progress
_PATIENCE = 10  # seconds until a cluster that does not answer is given up
_OBJECTS = 100 * 2**20  # bytes for what tasks hand over: a few words each
_QUIET = {"logging_level": "ERROR", "log_to_driver": False}

_Errors = dict[str, Exception | None]


def make_all(specs: Mapping[str, Spec], episodes: int, settings: EngineSettings) -> _Errors:
    """What went wrong with each run, by its name; None if all is well.

    Args:
        specs: by name of the run.
        episodes: as of ``jobs.attempt``.
    """
    if not settings.storage:
        return _make_on(_connect(settings.address), specs, episodes, settings)
    storage = Storage(settings.storage)
    todo = {n: spec for n, spec in specs.items() if not storage.fetch(runs_folder() / n)}
    if not todo:
        return {}
    errors = _make_on(_connect(settings.address), todo, episodes, settings)
    for name, error in errors.items():
        if error is None:
            storage.fetch(runs_folder() / name)
    return errors


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
    with contextlib.suppress(ValueError):  # not the main thread, which Ray leaves alone too
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
        # Ray itself counts cores that a batch system has not given to this process.
        "num_cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "include_dashboard": False,
        "object_store_memory": _OBJECTS,
    }
    try:
        ray.init(**options, **_QUIET)
    except Exception:  # Ray gives itself 30 seconds, too few where the disk is slow at first
        ray.init(**options, **_QUIET)


def _make_on(
    ray: ModuleType, specs: Mapping[str, Spec], episodes: int, settings: EngineSettings
) -> _Errors:
    """Hand all runs to Ray, wait for them and show how many of their epochs are done."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus, threads = _share(nodes, len(specs), settings)
    device = os.environ.get("FEWSHOT_DEVICE") or ("auto" if gpus else "cpu")
    environment = {"FEWSHOT_ROOT": str(project_root().resolve()), "FEWSHOT_DEVICE": device}
    # A process that ends after its run gives back what CUDA holds; without a GPU it is kept, since
    # starting one takes longer than a small run.
    options = {"num_cpus": threads, "num_gpus": gpus, "max_calls": 1 if gpus else 0}
    make = ray.remote(**options, max_retries=_RETRIES)(_make)
    waiting = {
        make.remote(environment, name, spec, episodes, threads, settings.storage): name
        for name, spec in specs.items()
    }
    total = sum(spec.epochs for spec in specs.values())
    progress = Progress(f"{len(specs)} runs on Ray", total, 1, sum(map(_epochs_done, specs)))
    errors: _Errors = {}
    try:
        while waiting:
            for reference in ray.wait([*waiting], timeout=_POLL)[0]:
                errors[waiting.pop(reference)] = _error_of(ray, reference)
            done = sum(s.epochs if n in errors else _epochs_done(n) for n, s in specs.items())
            progress.say(done, f"{len(errors)} complete")
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)
    return errors


def _share(
    nodes: list[dict[str, float]], n_runs: int, settings: EngineSettings
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
    at_once = min(n_runs, sum(n["GPU"] for n in fitting) // gpus) if gpus else n_runs
    return gpus, settings.threads or int(max(1, min(*cores, sum(cores) // at_once)))


def _epochs_done(name: str) -> int:
    """Epochs of a run that is being made; none if it is on a machine that shares no folder."""
    try:
        return (runs_folder() / name / HISTORY).read_text("utf-8").count("\n") - 1
    except OSError:
        return 0


def _error_of(ray: ModuleType, reference: Any) -> Exception | None:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        return RuntimeError(f"lost {_RETRIES + 1} times: {type(error).__name__}: {reason}")


def _make(environment: dict[str, str], *arguments: Any) -> Exception | None:
    """The task: make one run, on whatever machine it is; arguments as of ``attempt``."""
    os.environ.update(environment)
    return attempt(*arguments)
