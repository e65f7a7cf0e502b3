"""How much memory a piece of work takes at most."""

import re
from pathlib import Path

import torch

RESIDENT = "5"  # what Linux is told to forget: the peak of resident memory (proc(5), clear_refs)


class PeakMemory:
    """The most memory held since this object was made.

    Of a GPU: what its tensors take. Else: the resident memory of the whole process, with all that
    was there before, as Linux counts it.
    """

    def __init__(self, device: torch.device, process: Path = Path("/proc/self")):
        self.device, self.process, self.known = device, process, True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        try:
            (process / "clear_refs").write_text(RESIDENT)
        except OSError:
            self.known = False  # an earlier peak would pass for this one

    def bytes(self) -> int | None:
        """The peak so far; None where the system does not tell."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        if not self.known:
            return None
        found = re.search(r"VmHWM:\s+(\d+) kB", (self.process / "status").read_text())
        return int(found[1]) * 1024 if found else None
