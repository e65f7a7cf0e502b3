"""How a report and its runs came about: device, threads, versions, commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fewshot_lib.files import project_root

_PACKAGES = ("fewshot-report", "torch", "torchvision", "papermill", "nbconvert")


def provenance() -> dict[str, str]:
    """Name to value: device, threads, versions, system and, in a git checkout, the commit.

    The number of threads decides how sums are rounded, and so the bits of what is trained.
    """
    found = {"device": _device_name(), "threads": str(threads()), "versions": _versions()}
    found["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    if commit := git_commit():
        found["commit"] = commit
    return found


def threads() -> int:
    """Threads that one operation may use."""
    import torch  # slow to import

    return torch.get_num_threads()


def _versions() -> str:
    words = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            words.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # run from a checkout that is not installed
            continue
    return ", ".join(words)


def _device_name() -> str:
    """The GPU's name, or the processor's and how many cores this process may use."""
    import torch

    from fewshot_lib.learning.device import default_device

    device = default_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def git_commit() -> str | None:
    """Short hash of the commit checked out, with ``+ changes`` when files differ from it."""
    hash_ = _git("rev-parse", "--short=10", "HEAD")
    if not hash_:
        return None
    return f"{hash_} + changes" if _git("status", "--porcelain", "-uno") else hash_


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(project_root()), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
