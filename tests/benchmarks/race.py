"""The other end of ``contestants.py``: contestants that are asked in turn."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import torch

from fewshot_lib.learning.device import _multiplies_bfloat16

HERE = Path(__file__).parent


def field(*names: str) -> list[str]:
    """Those of the contestants that can take part on this machine."""
    here = {
        "easyfsl": bool(importlib.util.find_spec("easyfsl")),
        "rounded": _multiplies_bfloat16(torch.device("cpu")),
    }
    return [name for name in names if here.get(name, True)]


class Contestant:
    """A process that takes a step at each request.

    A process of its own, since how freed memory is treated is a setting of the whole process.

    Attributes:
        laps: what each step since the warm-up took: ``seconds, loading, peak``.
    """

    def __init__(self, **task: Any):
        self.laps: list[dict[str, float]] = []
        command = [sys.executable, str(HERE / "contestants.py"), json.dumps(task, default=str)]
        environment = os.environ | {"FEWSHOT_DEVICE": "cpu", "TQDM_DISABLE": "1"}
        self.process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def step(self) -> dict[str, float]:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a contestant ended: {self.process.args[-1]}")
        return json.loads(line)

    def lap(self) -> None:
        self.laps.append(self.step())

    def times(self, name: str = "seconds") -> list[float]:
        return [lap[name] for lap in self.laps]
