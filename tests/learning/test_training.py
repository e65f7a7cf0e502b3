"""Training: repeatable, resumable at any moment with the same numbers, the best epoch kept."""

import math

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from fewshot_lib import files
from fewshot_lib.data.bank import load_bank
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file
from fewshot_lib.learning import checkpoints, training, weights
from fewshot_lib.learning.checkpoints import HISTORY, STATE, WEIGHTS
from fewshot_lib.learning.evaluation import Judge, encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.training import selection_episodes, train
from fewshot_lib.progress import Progress
from fewshot_lib.spec.words import run_title

pytestmark = pytest.mark.usefixtures("project")


def train_in(folder, spec):
    folder.mkdir(exist_ok=True)
    return train(spec, load_bank(spec, "train"), load_bank(spec, "val"), folder)


def without_time(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def state_in(folder):
    return torch.load(folder / STATE, weights_only=True)


def assert_same_run(folder, other):
    """Bit for bit: history, best weights, last weights, optimizers."""
    tables = [pd.read_csv(f / HISTORY).drop(columns="seconds") for f in (folder, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert_same_tensors(*(load_file(f / WEIGHTS) for f in (folder, other)))
    states = [state_in(f) for f in (folder, other)]
    assert_same_tensors(*(state["learner"] for state in states))
    histories = [without_time(state.pop("history")) for state in states]
    assert histories[0] == histories[1]
    torch.testing.assert_close(*states, rtol=0, atol=0)


def assert_same_tensors(tensors, others):
    assert list(tensors) == list(others)
    assert [name for name in tensors if not torch.equal(tensors[name], others[name])] == []


class Interrupt(Exception):
    """Stands for whatever ends a run before its time."""


def test_the_history_has_a_row_for_each_epoch(tmp_path, make_spec, method):
    history = train_in(tmp_path / "run", make_spec(**method))
    columns = {"epoch", "lr", "loss", "accuracy", "val_accuracy", "val_ci95", "seconds"}
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all(row.keys() >= columns for row in history)
    assert all(0 <= row["val_accuracy"] <= 1 and row["seconds"] > 0 for row in history)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "run" / HISTORY), pd.DataFrame(history))


def test_training_learns(tmp_path, make_spec):
    history = train_in(tmp_path / "run", make_spec(epochs=4, episodes=12, precision="float32"))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert history[-1]["accuracy"] > 0.8


def test_a_seed_gives_the_same_run_and_another_seed_another(tmp_path, make_spec):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(3)  # what was drawn before does not matter
        train_in(tmp_path / name, make_spec(seed=seed))
    assert_same_run(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_run(tmp_path / "a", tmp_path / "c")


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    tmp_path, make_spec, method, monkeypatch
):
    spec = make_spec(**method, augment=["flip", "crop", "jitter"])
    train_in(tmp_path / "whole", spec)

    def interrupt(self, epoch, done):
        if (epoch, done) == (3, 2):
            raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt):
        patch.setattr(Progress, "episode", interrupt)
        train_in(tmp_path / "resumed", spec)
    assert len(state_in(tmp_path / "resumed")["history"]) == 2
    train_in(tmp_path / "resumed", spec)
    assert_same_run(tmp_path / "resumed", tmp_path / "whole")


def test_a_run_may_stop_at_any_write(tmp_path, make_spec, monkeypatch):
    """Best weights, history and state are written after each epoch; each may be the last."""
    spec = make_spec(epochs=2, episodes=2)
    banks = load_bank(spec, "train"), load_bank(spec, "val")
    left = 100  # writes before the interruption

    def train_here(name):
        (tmp_path / name).mkdir(exist_ok=True)
        train(spec, *banks, tmp_path / name)

    def limited(path):
        nonlocal left
        if left == 0:
            raise Interrupt
        left -= 1
        return atomic_file(path)

    for module in (checkpoints, weights, files):
        monkeypatch.setattr(module, "atomic_file", limited)
    train_here("whole")
    n_writes = 100 - left
    assert n_writes in (5, 6)
    for n in range(n_writes):
        left = n
        with pytest.raises(Interrupt):
            train_here(f"{n}")
        left = 100
        train_here(f"{n}")
        assert_same_run(tmp_path / f"{n}", tmp_path / "whole")


def test_only_what_is_missing_is_trained(tmp_path, make_spec, monkeypatch):
    train_in(tmp_path, make_spec(epochs=2))
    weights = []
    original = training._train_epoch
    monkeypatch.setattr(
        training, "_train_epoch", lambda *args: weights.append(args[3]) or original(*args)
    )
    assert [row["epoch"] for row in train_in(tmp_path, make_spec(epochs=4))] == [1, 2, 3, 4]
    assert weights == [3, 4]


def test_the_best_epoch_s_weights_are_kept(tmp_path, make_spec, monkeypatch):
    """The first of the best, here the second of four epochs."""
    scripted = iter([0.2, 0.6, 0.6, 0.4, 0.2, 0.6])
    monkeypatch.setattr(
        training, "validate", lambda *_: {"val_accuracy": next(scripted), "val_ci95": 0.0}
    )
    train_in(tmp_path / "long", make_spec(epochs=4))
    train_in(tmp_path / "short", make_spec(epochs=2))
    kept, last = load_file(tmp_path / "long" / WEIGHTS), state_in(tmp_path / "short")["learner"]
    assert kept.keys() == last.keys()
    assert [name for name in kept if not torch.equal(kept[name], last[name])] == []


def test_the_kept_weights_give_the_recorded_accuracy(tmp_path, make_spec, method):
    spec = make_spec(**method)
    history = train_in(tmp_path, spec)
    learner, bank = make_learner(spec), load_bank(spec, "val")
    learner.load_state_dict(load_file(tmp_path / WEIGHTS))
    features = encode(learner, bank, torch.device("cpu"))
    judge = Judge(learner, features, spec.n_aug_test, ("selection noise",))
    result = judge.evaluate(selection_episodes(spec, bank), 1)
    assert result.accuracy.mean == pytest.approx(max(row["val_accuracy"] for row in history))


def test_the_learning_rate_decays_by_steps(tmp_path, make_spec):
    spec = make_spec(epochs=5, episodes=1, lr=0.08, lr_step=2, lr_gamma=0.5)
    rates = [row["lr"] for row in train_in(tmp_path, spec)]
    assert rates == pytest.approx([0.08, 0.08, 0.04, 0.04, 0.02])


def test_the_learning_rate_falls_as_a_cosine(tmp_path, make_spec):
    spec = make_spec(epochs=4, episodes=1, lr=0.08, lr_schedule="cosine")
    rates = [row["lr"] for row in train_in(tmp_path, spec)]
    half = 2**-0.5
    assert rates == pytest.approx([0.08, 0.04 * (1 + half), 0.04, 0.04 * (1 - half)])


def test_kept_weights_are_the_average_over_the_steps(tmp_path, make_spec, monkeypatch):
    """By hand: the first step's weights, then half of the old and half of the new ones."""
    seen, update = [], training.WeightAverage.update

    def recording(self, learner):
        seen.append(learner.state_dict()["net.mlp.transform.1.weight"].clone())
        update(self, learner)

    monkeypatch.setattr(training.WeightAverage, "update", recording)
    train_in(tmp_path, make_spec(epochs=1, episodes=3, ema=0.5))
    kept = load_file(tmp_path / WEIGHTS)["net.mlp.transform.1.weight"]
    first, second, third = seen
    assert torch.allclose(kept, first / 4 + second / 4 + third / 2, atol=1e-6)


def test_a_run_starts_from_the_weights_of_a_classifier(tmp_path, make_spec, method):
    classifier = make_learner(make_spec(pretrain_epochs=1).pretraining(n_classes=6, n_images=72))
    with torch.no_grad():
        classifier.net.mlp.transform[1].weight.fill_(0.125)
        classifier.net.extractor.encoder[2].conv[0].weight.fill_(0.25)
    learner = training._begin(make_spec(**method), classifier.state_dict()).learner
    encoder = dict(learner.named_parameters())[f"{learner.encoder_name}.encoder.2.conv.0.weight"]
    assert (encoder == 0.25).all()
    assert (learner.net.mlp.transform[1].weight == 0.125).all()


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("original", {"main": 0.125, "generator": 0.5, "discriminator": 0.5}),
        ("afhn", {"main": 0.25, "discriminator": 0.5}),
    ],
)
def test_only_the_main_rate_falls(make_spec, variant, expected):
    changes = {"method": "adversarial", "variant": variant, "gan_lr": 0.5}
    learner = make_learner(make_spec(lr=0.25, lr_step=1, lr_gamma=0.5, **changes))
    optimizers = learner.optimizers()
    training._set_learning_rates(learner, optimizers, epoch=2, step=1)
    rates = {name: o.param_groups[0]["lr"] for name, o in optimizers.items()}
    assert rates == expected


def test_the_hallucinator_s_rate_starts_higher_and_falls_alike(make_spec):
    spec = make_spec(method="hallucination", lr=0.25, hallucinator_lr=2.0, lr_step=1, lr_gamma=0.5)
    learner = make_learner(spec)
    optimizers = learner.optimizers()
    for epoch, rates in ((1, [0.25, 2.0]), (3, [0.0625, 0.5]), (2, [0.125, 1.0])):
        training._set_learning_rates(learner, optimizers, epoch, step=1)
        groups = optimizers["main"].param_groups
        assert [group["lr"] for group in groups] == rates
    faster = {id(p) for p in groups[1]["params"]}
    assert faster == {id(p) for p in learner.net.hallucinate.parameters()}
    assert len(faster) + len(groups[0]["params"]) == len(list(learner.parameters()))


def rates_of(spec):
    """The rates of all steps."""
    steps = range(1, math.ceil(spec.episodes / spec.episodes_per_step) + 1)
    epochs = range(1, spec.epochs + 1)
    return [training._learning_rate(spec, epoch, step) for epoch in epochs for step in steps]


def test_the_learning_rate_rises_in_equal_steps_from_the_first_on(make_spec):
    spec = make_spec(lr=0.8, lr_warmup=2, lr_step=3, epochs=4, episodes=4)
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert rates_of(spec) == pytest.approx([*rising, *[0.8] * 4, *[0.4] * 4])


def test_the_cosine_falls_after_the_rise(make_spec):
    spec = make_spec(lr=0.8, lr_warmup=1, lr_schedule="cosine", epochs=3, episodes=2)
    assert rates_of(spec) == pytest.approx([0.4, 0.8, 0.8, 0.8, 0.4, 0.4])


def test_the_rise_counts_steps_not_episodes(make_spec):
    spec = make_spec(lr=0.9, lr_warmup=1, epochs=1, episodes=7, episodes_per_step=3)
    assert rates_of(spec) == pytest.approx([0.3, 0.6, 0.9])


def test_a_training_uses_the_rising_rate(tmp_path, make_spec):
    spec = make_spec(lr=0.08, lr_warmup=2, epochs=3, episodes=2)
    assert [row["lr"] for row in train_in(tmp_path, spec)] == pytest.approx([0.04, 0.08, 0.08])


def test_every_episode_of_a_group_counts_and_an_incomplete_group_makes_a_step(
    tmp_path, make_spec, method, monkeypatch
):
    sizes, done = [], []
    spec = make_spec(**method, epochs=1, episodes=5, episodes_per_step=2)
    kind = type(make_learner(spec))
    learn = kind.learn

    def watched(self, episodes, optimizers):
        sizes.append(len(episodes))
        return learn(self, episodes, optimizers)

    monkeypatch.setattr(kind, "learn", watched)
    monkeypatch.setattr(Progress, "episode", lambda self, epoch, n: done.append(n))
    (row,) = train_in(tmp_path, spec)
    assert sizes == [2, 2, 1]
    assert done == [2, 4, 5]
    assert math.isfinite(row["loss"])


def test_the_average_is_taken_over_steps_not_episodes(tmp_path, make_spec, monkeypatch):
    updates = []
    monkeypatch.setattr(training.WeightAverage, "update", lambda *_: updates.append(1))
    train_in(tmp_path, make_spec(epochs=1, episodes=5, episodes_per_step=2, ema=0.5))
    assert len(updates) == 3


def test_groups_resume_with_the_same_numbers(tmp_path, make_spec):
    how = {"episodes_per_step": 3, "lr_warmup": 2, "ema": 0.5, "flip_test": True}
    train_in(tmp_path / "whole", make_spec(**how))
    train_in(tmp_path / "resumed", make_spec(**how, epochs=2))
    train_in(tmp_path / "resumed", make_spec(**how))
    assert_same_run(tmp_path / "whole", tmp_path / "resumed")


def test_the_usual_memory_layout_learns_the_same(tmp_path, make_spec, method):
    how = {**method, "precision": "float32"}
    plain = train_in(tmp_path / "plain", make_spec(**how))
    other = train_in(tmp_path / "other", make_spec(**how, channels_last=False))
    losses = [[row["loss"] for row in history] for history in (plain, other)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)  # rounding grows from step to step


def test_bfloat16_learns_too_and_weights_are_stored_as_ever(tmp_path, make_spec, method):
    """Rounding grows in batches of nine images: the same course, not the same numbers."""
    how = {**method, "epochs": 1, "episodes": 5}
    plain = train_in(tmp_path / "plain", make_spec(**how, precision="float32"))
    other = train_in(tmp_path / "other", make_spec(**how, precision="bfloat16"))
    encodes = method.get("variant") != "afhn"  # whose extractor rests
    assert (other[0]["loss"] != plain[0]["loss"]) == encodes
    assert other[0]["loss"] == pytest.approx(plain[0]["loss"], rel=0.25)
    files = [load_file(tmp_path / name / WEIGHTS) for name in ("plain", "other")]
    kinds = [{name: (v.dtype, v.shape) for name, v in weights.items()} for weights in files]
    assert kinds[0] == kinds[1]


def test_selection_episodes_are_the_same_for_all_methods_and_seeds(bank, make_spec, method):
    spec = make_spec()
    episodes = selection_episodes(spec, bank)
    assert episodes.shape == (spec.episodes_val, 3, 1 + 4)
    assert torch.equal(episodes, selection_episodes(make_spec(**method, seed=5, lr=1.0), bank))


def test_a_damaged_state_is_refused_with_its_path(tmp_path, make_spec):
    train_in(tmp_path, make_spec(epochs=1))
    path = tmp_path / STATE
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cannot resume from .*delete it to start over") as caught:
        train_in(tmp_path, make_spec())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_epoch_before_serves_when_the_newest_state_is_damaged(tmp_path, make_spec, method):
    train_in(tmp_path / "damaged", make_spec(**method, epochs=2))
    path = tmp_path / "damaged" / STATE
    path.write_bytes(path.read_bytes()[:1000])
    for folder in ("damaged", "whole"):
        train_in(tmp_path / folder, make_spec(**method))
    assert_same_run(tmp_path / "damaged", tmp_path / "whole")


def test_a_training_that_diverges_stops_and_keeps_the_epochs_before(tmp_path, make_spec, method):
    folder = tmp_path / "run"
    train_in(folder, make_spec(**method, epochs=1, episodes=60))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    # AFHN's rate is gan_lr, which a training that is resumed has as a multiple of lr.
    rate = "gan_lr=0.0001" if method.get("variant") == "afhn" else r"lr=1e\+30"
    spec = make_spec(**method, epochs=2, episodes=60, lr=1e30)
    words = rf"diverged: .* in epoch 2, episode [1-9]\d? .*lower {rate}$"
    with pytest.raises(InputError, match=words):
        train_in(folder, spec)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_first_loss_that_is_no_number_is_named(make_spec):
    steps = [{"loss": torch.tensor(1.0)} for _ in range(70)]
    steps[63]["loss"] = torch.tensor(torch.nan)
    training._require_finite(make_spec(), steps[:50], 1)
    with pytest.raises(InputError, match="epoch 3, episode 64"):
        training._require_finite(make_spec(), steps, 3)


def test_the_state_of_another_network_is_refused(tmp_path, make_spec):
    train_in(tmp_path, make_spec(epochs=1))
    with pytest.raises(InputError, match="cannot resume") as caught:
        train_in(tmp_path, make_spec(method="hallucination"))
    assert "\n" not in str(caught.value)


def test_nothing_half_written_is_left(tmp_path, make_spec):
    train_in(tmp_path / "run", make_spec(epochs=1))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {STATE, WEIGHTS, HISTORY}


def test_a_run_s_name_for_people(make_spec):
    assert run_title(make_spec(n_way=30)) == "prototypical 30-way 1-shot euclidean"
    text = run_title(make_spec(method="hallucination", n_aug=50, distance="cosine", seed=2))
    assert text == "hallucination 3-way 1-shot M=50 cosine seed 2"


def test_variants_have_names_of_their_own(make_spec):
    def name(**changes):
        return run_title(make_spec(method="adversarial", **changes))

    assert name() == "adversarial 3-way 1-shot euclidean"
    assert name(variant="afhn") == "afhn 3-way 1-shot euclidean"
