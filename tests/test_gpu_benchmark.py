"""The GPU's benchmark, the whole of it once on this CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "benchmarks" / "gpu.py"


def test_it_measures_every_run_in_pieces_and_then_nothing_more(tmp_path):
    output = tmp_path / "gpu.json"
    small = ["image_size=16", "n_aug=2", "n_augs=[0, 1]", "shots=[1]", "distances=[cosine]"]
    command = [sys.executable, str(SCRIPT), "--profile=smoke", f"--output={output}"]
    command += ["--blocks=1", "--steps=1", "--per-class=20"]
    command += [f"--set={setting}" for setting in small]

    def call(*more):
        environment = os.environ | {"FEWSHOT_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, env=environment, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "run again to go on" in call("--seconds=0")
    assert "run again to go on" not in call()
    content = output.read_text()
    runs = json.loads(content)["runs"]
    assert len(runs) >= 6
    assert all(
        way["ms"] > 0 and way["minutes"] > 0 for run in runs.values() for way in run.values()
    )
    call()
    assert output.read_text() == content
