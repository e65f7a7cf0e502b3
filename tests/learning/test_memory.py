"""The peak is that of the work, not of what was before it."""

import json
import mmap
import sys

import pytest
import torch

from fewshot_lib.experiments.runs import run
from fewshot_lib.learning.device import PeakMemory

MB = 2**20
CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_that_was_given_back_counts_only_if_it_was_taken_meanwhile():
    start = PeakMemory(CPU).bytes()
    watched = PeakMemory(CPU)
    with mmap.mmap(-1, 200 * MB) as block:  # new from the system, whatever was freed before
        for page in range(0, 200 * MB, mmap.PAGESIZE):
            block[page] = 1
    assert 190 * MB < watched.bytes() - start < 250 * MB
    assert PeakMemory(CPU).bytes() < start + 20 * MB


def test_a_system_that_does_not_forget_its_peak_is_not_believed(tmp_path):
    (tmp_path / "status").write_text("VmHWM:\t  123456 kB\n")
    assert PeakMemory(CPU, tmp_path / "missing").bytes() is None
    assert PeakMemory(CPU, tmp_path).bytes() == 123456 * 1024


def test_a_run_tells_its_peak(make_spec):
    made = run(make_spec(epochs=1, episodes=1))
    peak = json.loads((made.folder / "result.json").read_text())["peak_memory"]
    assert peak is None or 50 * MB < peak < 10_000 * MB
