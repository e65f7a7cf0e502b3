"""Weights files: they come back as they were, and whatever is wrong with one is said."""

import json
import os
import pickle

import pytest
import torch
from PIL import Image
from safetensors.torch import load, save_file

from fewshot_lib.data.bank import load_bank
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.runs import bank_for, run
from fewshot_lib.learning.checkpoints import WEIGHTS
from fewshot_lib.learning.evaluation import encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.weights import ABOUT, FOLDER, load_trained, save_weights
from fewshot_lib.spec.parameters import Spec

pytestmark = pytest.mark.usefixtures("project")

CPU = torch.device("cpu")


@pytest.fixture
def learner(method, make_spec):
    return make_learner(make_spec(**method))


@pytest.fixture
def small(make_spec, bank, tmp_path):
    """The weights file of an untrained prototypical network for 16 px."""
    path = tmp_path / WEIGHTS
    save_weights(path, make_learner(make_spec()), bank)
    return path


def rewrite(path, weights=None, **about) -> None:
    """Write the file again with other weights, or other words about them (None: without)."""
    told = json.loads(metadata(path)) | about
    told = {key: value for key, value in told.items() if value is not None}
    save_file(weights or load(path.read_bytes()), path, metadata={ABOUT: json.dumps(told)})


def metadata(path) -> str:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])["__metadata__"][ABOUT]


def rounded(value: torch.Tensor) -> torch.Tensor:
    return value.half().to(value.dtype)


def test_a_learner_comes_back_ready_for_use(learner, bank, tmp_path):
    path = tmp_path / "new" / "weights.safetensors"
    save_weights(path, learner, bank)
    trained = load_trained(path)
    assert trained.spec == learner.spec.model_copy(update={"data_dir": FOLDER})
    assert (trained.mean, trained.std) == (bank.mean, bank.std)
    assert type(trained.learner) is type(learner)
    assert not any(module.training for module in trained.learner.modules())
    before, after = learner.state_dict(), trained.learner.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(rounded(before[name]), after[name]) for name in before)


def test_a_run_s_weights_see_image_files_as_the_run_saw_them(make_spec, data_dir):
    """The bank of the files in the table's order is the run's own bank; so are the features."""
    made = run(make_spec(epochs=1))
    own = bank_for(made.spec, "val")
    trained = load_trained(made.folder / WEIGHTS)
    bank = trained.bank([data_dir / "val" / f"{int(i) + 1}.png" for i in own.ids])
    assert torch.equal(bank.images, own.images)
    assert (bank.mean, bank.std) == (own.mean, own.std)
    assert torch.equal(encode(trained.learner, bank, CPU).embedded, made.features("val").embedded)


def test_images_of_another_size_are_brought_to_the_network_s(small, tmp_path):
    Image.new("L", (50, 31), 200).save(tmp_path / "grey.png")
    bank = load_trained(small).bank([tmp_path / "grey.png"])
    assert bank.images.shape == (1, 3, 16, 16)
    assert bank.images.unique().tolist() == [200]


def test_the_data_it_was_trained_on_is_not_needed(small):
    spec = load_trained(small).spec
    rewrite(small, spec=spec.model_dump() | {"data_dir": "/nowhere"})
    with pytest.raises(InputError, match="no folder /nowhere"):
        load_bank(load_trained(small).spec, "val")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(InputError, match=f"there is no weights file {path}$"):
            load_trained(path)


def truncate(path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def scribble(path) -> None:
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])


def tell(path, metadata: dict[str, str] | None) -> None:
    save_file(load(path.read_bytes()), path, metadata=metadata)


class Boom:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def pickled(path) -> None:
    path.write_bytes(pickle.dumps(Boom(path.parent / "executed")))


def saved_by_torch(path) -> None:
    torch.save(load(path.read_bytes()), path)


DAMAGES = {
    "truncated": truncate,
    "scribbled over": scribble,
    "empty": lambda path: path.write_bytes(b""),
    "a pickle": pickled,
    "saved by torch": saved_by_torch,
    "another project's": lambda path: tell(path, None),
    "another's metadata": lambda path: tell(path, {"format": "pt"}),
    "no JSON": lambda path: tell(path, {ABOUT: "{"}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_no_weights_file_is_refused_and_not_executed(small, damage):
    damage(small)
    with pytest.raises(InputError) as caught:
        load_trained(small)
    assert str(caught.value) == (
        f"{small} is not a weights file of this project: name a run's weights.safetensors"
    )
    assert not (small.parent / "executed").exists()


WRONG_ABOUT = {
    "no spec": ({"spec": None}, "'spec'"),
    "no mean": ({"mean": None}, "'mean'"),
    "spec is no mapping": ({"spec": [1, 2]}, "mapping"),
    "unknown parameter": ({"spec": {"n_wya": 5}}, "unknown parameter 'n_wya'"),
    "mean is no list": ({"mean": 0.5}, "float"),
    "two channels": ({"std": [0.5, 0.5]}, "expected 3, got 2"),
    "words": ({"mean": ["a", "b", "c"]}, "'a'"),
}


@pytest.mark.parametrize("case", WRONG_ABOUT)
def test_a_file_that_does_not_tell_how_to_use_it_is_refused(small, case):
    about, words = WRONG_ABOUT[case]
    rewrite(small, **about)
    with pytest.raises(InputError, match="was not written by this version") as caught:
        load_trained(small)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def other(small, **changes) -> dict[str, torch.Tensor]:
    """Weights of a network whose spec differs."""
    return make_learner(Spec.check(load_trained(small).spec.model_dump() | changes)).state_dict()


def test_weights_of_another_image_size_are_told_by_their_shape(small):
    rewrite(small, other(small, image_size=32))
    with pytest.raises(InputError) as caught:
        load_trained(small)
    assert str(caught.value) == (
        f"{small} does not fit: net.mlp.enhance.0.bias is (64,), should be (16,)"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "hallucination"}, r"net\.hallucinate\.\S+ is \(16,\), should be not there"),
        ({"method": "adversarial"}, r"discriminator\.\S+ is \(16,\), should be not there"),
        ({"distance": "parametric"}, r"distance\.\S+ is \(64,\), should be not there"),
    ],
)
def test_weights_of_another_architecture_are_told_by_their_names(small, changes, words):
    rewrite(small, other(small, **changes))
    with pytest.raises(InputError, match=f"does not fit: {words}"):
        load_trained(small)


def test_a_missing_weight_is_named(small):
    weights = load(small.read_bytes())
    del weights["net.mlp.transform.1.bias"]
    rewrite(small, weights)
    with pytest.raises(InputError, match=r"transform\.1\.bias is not there, should be \(64,\)"):
        load_trained(small)


def test_an_earlier_file_survives_a_failure(small, make_spec, bank):
    before = small.read_bytes()
    unwritable = make_learner(make_spec(seed=1))
    unwritable.register_buffer("on_no_device", torch.empty(1, device="meta"))
    with pytest.raises(Exception, match="meta"):
        save_weights(small, unwritable, bank)
    assert small.read_bytes() == before
    assert list(small.parent.glob(f"*{WEIGHTS}*")) == [small]
