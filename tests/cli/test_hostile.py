"""Files from strangers: nothing in them is executed, and the refusal is one line."""

import os
import pickle
import subprocess
import sys

import pytest
import torch

from fewshot_lib.data.bank import _read_bank, load_bank
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.runs import RESULT, run
from fewshot_lib.files import cache_folder, read_array
from fewshot_lib.learning.checkpoints import PREVIOUS, STATE, WEIGHTS
from fewshot_lib.learning.weights import load_trained


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def bomb(tmp_path):
    """A pickle that leaves a crater; the test fails if there is one in the end."""
    crater = tmp_path / "crater"
    yield pickle.dumps(Bomb(crater))
    assert not crater.exists()


def test_the_bomb_would_go_off(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "crater")))
    assert (tmp_path / "crater").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [False, True])
def test_a_state_that_would_run_code_is_refused(make_spec, project, bomb, tmp_path, zipped):
    made = run(make_spec(epochs=1))
    (made.folder / RESULT).unlink()
    for name in (STATE, PREVIOUS):
        if zipped:
            torch.save({"learner": Bomb(tmp_path / "crater")}, made.folder / name)
        else:
            (made.folder / name).write_bytes(bomb)
    with pytest.raises(InputError, match="cannot resume") as caught:
        run(make_spec(epochs=1))
    assert "\n" not in str(caught.value)


def test_weights_that_would_run_code_are_refused(bomb, tmp_path):
    for name in (WEIGHTS, "weights.pth"):
        (tmp_path / name).write_bytes(bomb)
        with pytest.raises(InputError, match="is not a weights file of this project"):
            load_trained(tmp_path / name)


def test_a_cache_and_predictions_that_would_run_code_are_made_again(make_spec, project, bomb):
    images = load_bank(make_spec(), "val").images.clone()
    (path,) = cache_folder().glob("*.safetensors")
    path.unlink()  # in place the bytes would change under those who have mapped the file
    path.write_bytes(bomb)
    assert _read_bank(path) is None
    assert torch.equal(load_bank(make_spec(), "val").images, images)
    path.unlink()
    path.write_bytes(bomb)
    assert read_array(path) is None


DRAWS = """
import torch
from fewshot_lib.data.bank import load_bank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.learning.randomness import stream
from fewshot_lib.spec.parameters import Spec
import sys
spec = Spec.check({spec!r})
bank = load_bank(spec, "train")
episodes = sample_episodes(bank, 50, 3, 1, 2, stream(spec.seed, "episodes", 7))
print(bank.fingerprint, spec.identity(bank.fingerprint), episodes.flatten().tolist())
"""


def test_data_identity_and_episodes_do_not_depend_on_hash_seed_or_threads(make_spec, project):
    printed = set()
    for hash_seed, threads in (("0", "1"), ("1", "2"), ("4711", "4")):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads}
        code = DRAWS.format(spec=make_spec().model_dump())
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1
