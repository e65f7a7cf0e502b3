"""Calibrated prototypes: how far they lean, on what, and that reports tell them apart."""

import json

import pytest
import torch

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.ledger import _VARIABLE
from fewshot_lib.experiments.matrix import SeedRuns, difference
from fewshot_lib.experiments.runs import Run, bank_for, run
from fewshot_lib.files import write_array
from fewshot_lib.learning.checkpoints import WEIGHTS
from fewshot_lib.learning.evaluation import Judge
from fewshot_lib.learning.prototypical import Features, PrototypicalLearner
from fewshot_lib.learning.randomness import stream
from fewshot_lib.learning.weights import MEANS_FILE, load_trained
from fewshot_lib.networks.calibration import calibrate, class_means
from fewshot_lib.networks.distances import make_distance
from fewshot_lib.notebook.summary import differences_to_first, evaluate_all

FAR = 100.0


def test_class_means_by_hand():
    features = torch.tensor([[1.0, 0.0], [4.0, 2.0], [3.0, 4.0]])
    assert class_means(features, torch.tensor([0, 1, 0])).tolist() == [[2.0, 2.0], [4.0, 2.0]]


@pytest.mark.parametrize(("n_shot", "share"), [(1, 1 / 2), (3, 1 / 4)])
def test_a_prototype_leans_on_the_class_it_resembles_the_less_the_more_shots(n_shot, share):
    means = torch.tensor([[1.0, 0.0], [FAR, FAR]])
    found = calibrate(torch.zeros(1, 2), n_shot, means, make_distance("euclidean", 2))
    assert found.tolist() == [[pytest.approx(share), 0.0]]


def test_classes_alike_count_as_the_softmax_of_the_distance_says():
    means = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    weight = torch.tensor([-1.0, -4.0]).softmax(0)
    found = calibrate(torch.zeros(1, 2), 1, means, make_distance("euclidean", 2))
    assert torch.allclose(found, torch.stack([weight[0], 2 * weight[1]]) / 2)


@pytest.mark.parametrize(("name", "sees_length"), [("cosine", False), ("euclidean", True)])
def test_lengths_count_where_the_distance_sees_them(name, sees_length):
    distance, source = make_distance(name, 8), stream("features")
    prototypes, means = (torch.randn(n, 8, generator=source) for n in (3, 5))
    found = calibrate(prototypes, 1, means, distance)
    longer = calibrate(4 * prototypes, 1, 7 * means, distance)
    assert torch.allclose(found, longer, atol=1e-6) != sees_length


def test_classes_with_unequal_supports_lean_each_by_its_own_number():
    distance, means = make_distance("euclidean", 2), torch.tensor([[1.0, 0.0], [FAR, FAR]])
    shots = torch.tensor([[1], [3]])
    found = calibrate(torch.zeros(2, 2), shots, means, distance)
    assert found.tolist() == [[pytest.approx(1 / 2), 0.0], [pytest.approx(1 / 4), 0.0]]


def test_every_episode_is_calibrated_by_itself():
    distance, source = make_distance("cosine", 8, scale=5.0), stream("features")
    prototypes, means = torch.randn(4, 3, 8, generator=source), torch.eye(8)
    found = calibrate(prototypes, 1, means, distance)
    for one, alone in zip(found, prototypes, strict=True):
        assert torch.allclose(one, calibrate(alone, 1, means, distance), atol=1e-6)


def test_a_calibrated_prototype_decides_a_query(make_spec):
    """Queries of class 0 at 3 are nearer to class 1's support at 5 until 0's leans to 4."""
    positions = torch.tensor([[0.0], [3.0], [5.0], [9.0]])
    features = Features(positions, positions)
    episodes = torch.tensor([[[0, 1], [2, 3]]])
    learner, means = PrototypicalLearner(make_spec()), torch.tensor([[4.0], [-FAR]])
    plain = Judge(learner, features).evaluate(episodes, 1)
    leaning = Judge(learner, features, class_means=means).evaluate(episodes, 1)
    assert plain.predictions.tolist() == [[[1], [1]]]
    assert leaning.predictions.tolist() == [[[0], [1]]]


def test_a_run_s_class_means_are_of_its_training_images(make_spec):
    made = run(make_spec(epochs=1))
    labels = bank_for(made.spec, "train").labels
    expected = made.features("train").embedded[labels == 2].mean(0)
    assert torch.allclose(made.class_means[2], expected, atol=1e-3)


def test_class_means_are_kept_and_made_again_if_damaged(make_spec):
    made = run(make_spec(epochs=1))
    means, path = made.class_means, made.folder / MEANS_FILE
    assert torch.equal(load_trained(made.folder / WEIGHTS).class_means, means)
    path.write_bytes(b"no array")
    with pytest.raises(InputError, match="does not fit: delete it"):
        assert load_trained(made.folder / WEIGHTS).class_means is None
    assert torch.equal(Run(made.spec, made.folder).class_means, means)
    assert torch.equal(load_trained(made.folder / WEIGHTS).class_means, means)
    write_array(path, means[:, 1:].half().numpy())  # of another network
    assert torch.equal(Run(made.spec, made.folder).class_means, means)


def test_a_calibrated_accuracy_is_kept_and_told_apart(make_spec, method, monkeypatch, tmp_path):
    made = run(make_spec(**method, epochs=1))
    monkeypatch.setenv(_VARIABLE, str(tmp_path / "told.jsonl"))
    plain, leaning = made.evaluate(40), made.evaluate(40, calibrated=True)
    assert not torch.equal(plain.predictions, leaning.predictions)
    assert torch.equal(made.evaluate(40, calibrated=True).predictions, leaning.predictions)
    assert torch.equal(made.evaluate(40).predictions, plain.predictions)
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [entry.get("calibrated") for entry in told] == [None, True, True, None]


def test_the_front_page_judges_problems_both_ways(make_spec):
    runs = {
        name: SeedRuns((run(make_spec(epochs=1, seed=seed)),))
        for seed, name in enumerate(("Problem 1", "Problem 2", "AFHN"))
    }
    judged = evaluate_all(runs, 20)
    names = [*runs, "Problem 1, calibrated", "Problem 2, calibrated"]
    assert list(judged) == names
    gaps = differences_to_first(runs, judged)
    assert list(gaps) == names[1:]
    name = "Problem 2, calibrated"
    assert gaps[name] == difference(judged[name], judged["Problem 1"])
    assert differences_to_first(runs, {"AFHN": judged["AFHN"]}) == {}
