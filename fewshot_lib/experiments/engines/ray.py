"""Runs as tasks of Ray (extra ``cluster``): on this machine, or on a cluster.

Tasks work in the project's folder, which all machines share, at the same path. A run whose process
or machine is lost goes on after its last epoch.
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
from fewshot_lib.experiments.folders import RESULT
from fewshot_lib.files import project_root, runs_folder
from fewshot_lib.learning.checkpoints import HISTORY
from fewshot_lib.progress import Progress
from fewshot_lib.spec.parameters import Spec

_RETRIES = 5  # of a run whose process or machine is lost
_POLL = 1.0  # seconds between two looks at the progress
_PATIENCE = 10  # seconds until a cluster that does not answer is given up
_OBJECTS = 100 * 2**20  # bytes for what tasks hand over: a few words each
_QUIET = {"logging_level": "ERROR", "log_to_driver": False}


def make_all(
    specs: Mapping[str, Spec], episodes: int, settings: EngineSettings
) -> dict[str, Exception | None]:
    """Hand all runs to Ray, wait for them and show how many of their epochs are done.

    Args:
        specs: by name of the run.
        episodes: as of ``jobs.attempt``.

    Returns:
        What went wrong with each run, by its name; None if all is well.
    """
    ray = _connect(settings.address)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus, threads = _share(nodes, len(specs), settings)
    device = os.environ.get("FEWSHOT_DEVICE") or ("auto" if gpus else "cpu")
    environment = {"FEWSHOT_ROOT": str(project_root().resolve()), "FEWSHOT_DEVICE": device}
    # A process that ends after its run gives back what CUDA holds; without a GPU it is kept, since
    # starting one takes longer than a small run.
    options = {"num_cpus": threads, "num_gpus": gpus, "max_calls": 1 if gpus else 0}
    make = ray.remote(**options, max_retries=_RETRIES)(_make)
    waiting = {make.remote(environment, n, s, episodes, threads): n for n, s in specs.items()}
    total = sum(spec.epochs for spec in specs.values())
    progress = Progress(f"{len(specs)} runs on Ray", total, 1, sum(map(_epochs_done, specs)))
    errors = {}
    try:
        while waiting:
            for reference in ray.wait([*waiting], timeout=_POLL)[0]:
                name = waiting.pop(reference)
                errors[name] = _error_of(ray, reference, name)
            done = sum(s.epochs if n in errors else _epochs_done(n) for n, s in specs.items())
            progress.say(done, f"{len(errors)} complete")
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)
    return errors


def _make(environment: dict[str, str], *arguments: Any) -> Exception | None:
    """The task: make one run, on whatever machine it is; arguments as of ``attempt``."""
    os.environ.update(environment)
    return attempt(*arguments)


def _error_of(ray: ModuleType, reference: Any, name: str) -> Exception | None:
    try:
        error = ray.get(reference)
    except ray.exceptions.RayError as lost:
        reason = str(lost).strip().splitlines()[0]
        return RuntimeError(f"lost {_RETRIES + 1} times: {type(lost).__name__}: {reason}")
    if error is None and not (runs_folder() / name / RESULT).exists():
        return InputError(f"made on a machine that does not share the folder {runs_folder()}")
    return error


def _epochs_done(name: str) -> int:
    """Epochs of a run that is being made."""
    try:
        return (runs_folder() / name / HISTORY).read_text("utf-8").count("\n") - 1
    except OSError:
        return 0


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
    options = {"address": "local", "include_dashboard": False, "object_store_memory": _OBJECTS}
    if hasattr(os, "sched_getaffinity"):  # Ray counts cores that are not given to this process
        options["num_cpus"] = len(os.sched_getaffinity(0))
    try:
        ray.init(**options, **_QUIET)
    except Exception:  # Ray gives itself 30 seconds, too few where the disk is slow at first
        ray.init(**options, **_QUIET)


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
