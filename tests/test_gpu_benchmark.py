"""The GPU's benchmark: counts by hand, and the whole of it once on this CPU."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot_lib.learning.methods import make_learner
from fewshot_lib.spec.parameters import Spec

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.fixture(scope="module")
def step_costs():
    where = importlib.util.spec_from_file_location("step_costs", FOLDER / "step_costs.py")
    module = importlib.util.module_from_spec(where)
    where.loader.exec_module(module)
    return module


def test_arithmetic_and_traffic_by_hand(step_costs):
    """Two images of 16 px: layers see 3 x 16², 64 x 8², 64 x 4² and 64 x 2² numbers of each."""
    spec = Spec.check({"image_size": 16, "n_way": 2, "n_shot": 1, "n_query": 1, "n_way_test": 2})
    n = step_costs.images_in(spec)
    assert n == 4
    sides, channels = [16, 8, 4, 2], [3, 64, 64, 64]
    forward = [n * 2 * 9 * c * 64 * s * s for c, s in zip(channels, sides, strict=True)]
    assert step_costs.encoder_flops(spec) == 2 * forward[0] + 3 * sum(forward[1:])
    assert step_costs.encoder_flops(spec, learns=False) == sum(forward)
    x = [n * c * s * s * 2 for c, s in zip(channels, sides, strict=True)]
    y = [n * 64 * s * s * 2 for s in sides]
    # Written or read: in, out; out for statistics; out and a quarter to pool; backwards three
    # quarters, out and its gradient; in and gradient for the weights, both again for the input.
    each = [2 * a + 7 * b for a, b in zip(x, y, strict=True)]
    inputs = [a + b for a, b in zip(x, y, strict=True)][1:]
    assert step_costs.encoder_bytes(spec, item=2) == sum(each) + sum(inputs)


def test_fakes_and_parameters_are_counted(step_costs):
    shape = {"image_size": 16, "n_way": 2}
    plain, many, more = (
        make_learner(Spec.check(shape | {"method": "hallucination", "n_aug": m}))
        for m in (0, 10, 20)
    )
    moved = [step_costs.bytes_moved(learner, 4) for learner in (plain, many, more)]
    assert moved[2] - moved[1] == moved[1] - moved[0] == 2 * 10 * 4 * (3 * 128 + 4 * 16)
    mixed = Spec.check(many.spec.model_dump() | {"mix_queries": True})
    assert step_costs.fakes_in(mixed) == 2 * step_costs.fakes_in(many.spec) == 2 * 2 * 10
    arithmetic = [step_costs.flops(learner) for learner in (plain, many, more)]
    assert arithmetic[2] - arithmetic[1] == 2 * 10 * 4 * 128 * 16
    sgd, adam = (
        step_costs.bytes_moved(make_learner(Spec.check(shape | {"optimizer": o})), 4)
        for o in ("sgd", "adam")
    )
    parameters = sum(p.numel() for p in make_learner(Spec.check(shape)).parameters())
    assert adam - sgd == 2 * 4 * parameters


def test_it_measures_every_run_in_pieces_and_then_nothing_more(tmp_path):
    output = tmp_path / "gpu.json"
    small = ["image_size=16", "n_aug=2", "n_augs=[0, 1]", "shots=[1]", "distances=[cosine]"]
    command = [sys.executable, str(FOLDER / "gpu.py"), "--profile=smoke", f"--output={output}"]
    command += ["--blocks=1", "--steps=1", "--per-class=20", "--tiny"]
    command += [f"--set={setting}" for setting in small]

    def call(*more):
        environment = os.environ | {"FEWSHOT_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, env=environment, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "run again to go on" in call("--seconds=0")
    assert "not measured yet" not in call()
    content = output.read_text()
    results = json.loads(content)
    assert [key for key, run in results["runs"].items() if "ms" not in run] == []
    assert results["summary"]["missing"] == []
    assert len(results["summary"]["minutes"]) >= 6
    assert results["summary"]["all_minutes"] > 0
    assert all(share > 0 for share in results["summary"]["roofline_share"].values())
    call()
    assert output.read_text() == content
