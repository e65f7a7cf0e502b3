"""The machine: which device to use, and how to use it well."""

import ctypes
import os
import sys

import torch

from fewshot_lib.errors import InputError

# glibc's mallopt parameter numbers (malloc.h).
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def default_device() -> torch.device:
    """The GPU if there is one; the environment variable ``FEWSHOT_DEVICE`` overrides it."""
    name = os.environ.get("FEWSHOT_DEVICE", "auto")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError):
        raise InputError(f"FEWSHOT_DEVICE={name} cannot be used here (try cpu or auto)") from None


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory instead of handing it back; False where there is no glibc.

    A training step frees and takes the same 50-150 MB of activations again and again. Returned
    to the kernel each time they come back as fresh pages, whose faults take up to half the step.
    The price is memory: what is kept does not always fit what is asked for next.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    largest = 2**31 - 1
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, largest))
