"""Real processes, killed at random moments: nothing is lost, and the numbers stay the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from pandas.testing import assert_frame_equal
from safetensors.torch import load_file

KILLS = 20

# One process imports everything, its children train and die: twenty starts cost one.
MURDERER = """
import json, os, random, signal, sys, time
import torch
from fewshot_lib.experiments import run
from fewshot_lib.spec import Spec

torch.set_num_threads(1)  # a fork takes no thread pool along
values, n_kills = json.loads(sys.argv[1]), int(sys.argv[2])
chance, kills, seed = random.Random(0), 0, 0
while kills < n_kills:
    spec = Spec.check(values | {"seed": seed})
    child = os.fork()
    if child == 0:
        run(spec)
        os._exit(0)
    time.sleep(chance.uniform(0.01, 0.4))
    os.kill(child, signal.SIGKILL)
    if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        kills += 1
    else:
        seed += 1  # it was faster: the next run is the victim
made = [run(Spec.check(values | {"seed": s})).folder for s in range(seed + 1)]
os.environ["FEWSHOT_ROOT"] += "/untouched"
whole = [run(Spec.check(values | {"seed": s})).folder for s in range(seed + 1)]
print(json.dumps([[str(a), str(b)] for a, b in zip(made, whole)]))
"""


def files(folder: str) -> set[str]:
    """Names of the files in a run's folder, hidden ones too."""
    return {path.name for path in Path(folder).iterdir()}


def test_a_run_killed_at_twenty_random_moments_ends_as_if_nothing_had_been(make_spec, project):
    augment = ["flip", "crop", "jitter"]
    spec = make_spec(method="hallucination", n_aug=2, epochs=30, episodes=3, augment=augment)
    done = subprocess.run(
        [sys.executable, "-c", MURDERER, spec.model_dump_json(), str(KILLS)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for killed, whole in json.loads(done.stdout.splitlines()[-1]):
        histories = [pd.read_csv(f"{folder}/history.csv") for folder in (killed, whole)]
        assert len(histories[0]) == 30
        assert_frame_equal(*(h.drop(columns="seconds") for h in histories))
        weights, others = (load_file(f"{f}/weights.safetensors") for f in (killed, whole))
        assert all((weights[name] == others[name]).all() for name in others)
        assert files(killed) == files(whole)
