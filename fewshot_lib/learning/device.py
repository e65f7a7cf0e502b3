"""The machine: which device to use, and how to use it well."""

import ctypes
import os
from dataclasses import dataclass

import torch

from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import TrainingParams

# glibc's mallopt parameter numbers (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4

CPU = torch.device("cpu")


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
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    largest = 2**31 - 1
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, largest))


@dataclass(frozen=True)
class Plan:
    """How the training steps of a run use its device.

    Attributes:
        bfloat16: the encoder's convolutions compute in bfloat16; weights, batch statistics and
            all that follows the encoder stay float32.
        channels_last: memory layout of images, feature maps and convolution weights.
    """

    device: torch.device = CPU
    bfloat16: bool = False
    channels_last: bool = True

    @classmethod
    def of(cls, spec: TrainingParams, device: torch.device) -> "Plan":
        """What the spec asks for, and where it leaves the choice what is faster on this device."""
        bfloat16 = spec.precision == "bfloat16" or (
            spec.precision == "auto" and _multiplies_bfloat16(device)
        )
        # With float32 a GPU convolves as fast the other way round, and need not turn weights.
        channels_last = spec.channels_last
        if channels_last is None:
            channels_last = bfloat16 or device.type != "cuda"
        return cls(device, bfloat16, channels_last)

    @property
    def layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has units for it; without them float32 is faster.

    They are a GPU's Tensor Cores, a CPU's AMX, or the dot products of AVX-512.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on this device; neither side waits for the other on the way to a GPU."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
