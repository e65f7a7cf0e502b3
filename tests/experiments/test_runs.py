"""Experiments: a run is made once, found again, finished after a crash, judged repeatably."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pandas.testing import assert_frame_equal
from PIL import Image
from safetensors.torch import load_file

from fewshot_lib.data.bank import data_identity
from fewshot_lib.errors import InputError
from fewshot_lib.experiments import runs
from fewshot_lib.experiments.folders import DATA
from fewshot_lib.experiments.runs import RESULT, SPEC, Run, bank_for, run
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.checkpoints import HISTORY, STATE, WEIGHTS
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.training import selection_episodes
from fewshot_lib.networks.encoder import count_parameters
from fewshot_lib.spec.parameters import Spec

SIZE = 16

pytestmark = pytest.mark.usefixtures("project")


def forbid_training(monkeypatch):
    def refuse(*_):
        raise AssertionError("this run was to be found, not made again")

    monkeypatch.setattr(runs, "train", refuse)


def test_a_run_is_made_once_and_found_again(make_spec, monkeypatch):
    made = run(make_spec())
    before = (made.folder / WEIGHTS).stat().st_mtime_ns
    forbid_training(monkeypatch)
    found = run(make_spec())
    assert found == made
    assert (found.folder / WEIGHTS).stat().st_mtime_ns == before


def test_another_spec_is_another_run(make_spec):
    folders = {
        run(make_spec(epochs=1, **change)).folder for change in ({}, {"seed": 1}, {"lr": 1.0})
    }
    assert len(folders) == 3
    assert {folder.parent for folder in folders} == {runs_folder()}


def test_a_finished_run_s_folder(make_spec):
    spec = make_spec(epochs=1)
    folder = run(spec).folder
    visible = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert visible == {DATA, SPEC, HISTORY, WEIGHTS, RESULT}
    assert not [path.name for path in folder.iterdir() if path.suffix == ".tmp"]
    assert Spec.check(yaml.safe_load((folder / SPEC).read_text())) == spec


def test_result_and_history(make_spec, method):
    made = run(make_spec(**method))
    history, result = made.history, made.result
    assert history["epoch"].tolist() == [1, 2, 3]
    columns = {"epoch", "lr", "loss", "accuracy", "val_accuracy", "val_ci95", "seconds"}
    assert columns <= set(history.columns)
    best = int(history["val_accuracy"].argmax())
    assert result["best_epoch"] == best + 1
    assert result["val_accuracy"] == pytest.approx(history["val_accuracy"][best])
    assert result["seconds"] == pytest.approx(history["seconds"].sum())
    assert result["parameters"] == count_parameters(made.learner)
    shown = made.accuracy_at(2)
    assert shown == Interval(history["val_accuracy"][1], history["val_ci95"][1], 20)


def test_the_learner_has_the_kept_weights_and_is_ready_to_judge(make_spec, method):
    made = run(make_spec(**method, epochs=1))
    weights = load_file(made.folder / WEIGHTS)
    state = made.learner.state_dict()
    assert all(torch.equal(state[name], w.half().to(w.dtype)) for name, w in weights.items())
    assert not any(module.training for module in made.learner.modules())


def test_a_killed_run_ends_like_an_uninterrupted_one(make_spec, project, monkeypatch):
    """The process dies by SIGKILL in the third epoch; another one takes over."""
    spec = make_spec(method="adversarial")
    script = f"""
import os, signal
from fewshot_lib import experiments, progress
from fewshot_lib.spec import Spec
def die(self, epoch, done):
    if epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)
progress.Progress.episode = die
experiments.run(Spec.check({spec.model_dump()!r}))
"""
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # they decide the rounding
    killed = subprocess.run([sys.executable, "-c", script], env=os.environ | threads)
    assert killed.returncode == -signal.SIGKILL
    (folder,) = runs_folder().iterdir()
    assert not (folder / RESULT).exists()
    resumed = run(spec)
    assert resumed.folder == folder
    monkeypatch.setenv("FEWSHOT_ROOT", str(project / "elsewhere"))
    whole = run(spec)
    assert whole.folder != folder
    assert_frame_equal(*(r.history.drop(columns="seconds") for r in (resumed, whole)))
    weights, others = (load_file(r.folder / WEIGHTS) for r in (resumed, whole))
    assert all(torch.equal(weights[name], others[name]) for name in others)


def test_runs_alike_share_one_pretraining(make_spec):
    spec = make_spec(epochs=1, pretrain_epochs=2)
    made = run(spec)
    n_images = len(bank_for(spec, "train").labels)
    classifier = run(spec.pretraining(n_classes=6, n_images=n_images))
    assert len(list(runs_folder().iterdir())) == 2
    assert len(classifier.history) == 2
    run(make_spec(epochs=1, pretrain_epochs=2, method="adversarial"))
    assert len(list(runs_folder().iterdir())) == 3
    assert classifier.learner.head.out_features == 6
    assert made.spec.method == "prototypical"


def test_a_classifier_learns_its_classes(make_spec):
    spec = make_spec(pretrain_epochs=8).pretraining(n_classes=6, n_images=360)
    history = run(spec).history
    assert history["accuracy"].iloc[-1] > 0.5 > 0.35 > history["accuracy"].iloc[0]


def test_a_damaged_state_is_named(make_spec):
    made = run(make_spec(epochs=1))
    (made.folder / RESULT).unlink()
    (made.folder / STATE).write_bytes(b"not a state")
    with pytest.raises(InputError, match=r"cannot resume from .*state\.pt"):
        run(make_spec(epochs=1))


def test_episodes_of_the_report_are_not_those_that_chose_the_epoch(make_spec):
    spec = make_spec(epochs=1)
    reported = run(spec).evaluate(spec.episodes_val).episodes
    selected = selection_episodes(spec, bank_for(spec, "val"))
    assert reported.shape == selected.shape
    same = (reported == selected).flatten(1).all(1)
    assert not same.any()


def test_all_runs_are_judged_on_the_same_episodes(make_spec, method):
    plain, other = run(make_spec(epochs=1)), run(make_spec(**method, epochs=1, seed=1))
    assert torch.equal(plain.evaluate(9).episodes, other.evaluate(9).episodes)
    assert plain.evaluate(9).minus(other.evaluate(9)).n == 9


def test_an_evaluation_is_kept_and_made_again_the_same(make_spec, method, monkeypatch):
    made = run(make_spec(**method, epochs=1))
    first = made.evaluate(30)
    (path,) = (made.folder / "evaluations").iterdir()
    for delete in (False, True):
        if delete:
            path.unlink()
        again = Run(made.spec, made.folder).evaluate(30)
        assert torch.equal(again.episodes, first.episodes)
        assert torch.equal(again.predictions, first.predictions)
        assert again.accuracy == first.accuracy
    np.save(path, np.zeros_like(np.load(path)))
    assert not made.evaluate(30).predictions.any()  # it is the kept one that is read


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [({}, (3, 1 + 4)), ({"n_shot": 5}, (3, 5 + 4)), ({"split": "train"}, (3, 1 + 4))],
)
def test_shots_and_split_may_be_chosen(make_spec, arguments, shape):
    made = run(make_spec(epochs=1))
    judged = made.evaluate(8, **arguments)
    assert judged.episodes.shape == (8, *shape)
    assert judged.predictions.shape == (8, 3, 4)
    made.evaluate(8)
    made.evaluate(9)
    assert len(list((made.folder / "evaluations").iterdir())) == (2 if not arguments else 3)


def test_an_evaluation_is_that_of_the_learner_s_features(make_spec):
    made = run(make_spec(epochs=1))
    judged = made.evaluate(10)
    embedded = made.features("val").embedded
    for episode, predicted in zip(judged.episodes, judged.predictions, strict=True):
        gaps = embedded[episode[:, 1:]].unsqueeze(2) - embedded[episode[:, 0]]
        assert torch.equal(gaps.square().sum(-1).argmin(-1), predicted)


def test_features_are_computed_once_and_banks_shared(make_spec):
    made = run(make_spec(epochs=1))
    assert made.features("val") is made.features("val")
    assert bank_for(made.spec, "val") is bank_for(make_spec(lr=1.0), "val")
    assert len(made.features("val").raw) == len(bank_for(made.spec, "val").labels)


def test_too_few_images_are_named_before_anything_is_trained(make_spec):
    with pytest.raises(InputError, match="class 'val0' has 12 images"):
        run(make_spec(n_query_test=12))


def write_squares(folder: Path, shift: int) -> None:
    """Three training and three validation classes; files of other content have the same size."""
    for c, split in enumerate(["train"] * 3 + ["val"] * 3):
        (folder / split / f"class{c}").mkdir(parents=True, exist_ok=True)
        for i in range(8):
            picture = Image.new("RGB", (SIZE, SIZE), (40 * c, 20 * i, shift))
            picture.save(folder / split / f"class{c}" / f"{i}.bmp")


@pytest.fixture
def squares(project, make_spec):
    """Writes images of a shade, then gives the run of them."""

    def run_of(shift: int) -> Run:
        write_squares(project / "squares", shift)
        return run(make_spec(source="folder", data_dir=str(project / "squares"), epochs=1))

    return run_of


def test_a_run_is_not_used_for_images_edited_in_place(squares):
    first, edited = squares(0), squares(200)
    assert edited.folder != first.folder
    assert (edited.folder / DATA).read_text() != (first.folder / DATA).read_text()
    assert squares(0).folder == first.folder
    assert squares(200).folder == edited.folder
    assert squares(100).folder not in (first.folder, edited.folder)


def test_a_run_keeps_the_name_that_names_and_sizes_give_it(squares, make_spec, project):
    first = squares(0)
    assert first.folder.name == first.spec.identity(data_identity(first.spec)[0])
    shutil.rmtree(first.folder)
    assert squares(200).folder == first.folder  # nothing is there to be mistaken for it


def test_a_run_of_an_earlier_version_belongs_to_the_data_it_is_found_with(squares):
    first = squares(0)
    (first.folder / DATA).unlink()
    assert squares(0).folder == first.folder
    assert squares(200).folder != first.folder
