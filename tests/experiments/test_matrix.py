"""Runs of several seeds, asked like one."""

import pandas as pd
import pytest
import torch

from fewshot_lib.experiments.matrix import (
    SeedEvaluations,
    SeedRuns,
    difference,
    run_seeds,
)
from fewshot_lib.experiments.runs import run
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval

pytestmark = pytest.mark.usefixtures("project")

EPISODES = torch.arange(16).view(4, 2, 2)


def judged(*right: int, episodes: torch.Tensor = EPISODES) -> Evaluation:
    """Four episodes of two queries each, so many of them right."""
    answers = {0: [[1], [0]], 1: [[0], [0]], 2: [[0], [1]]}
    return Evaluation(episodes, torch.tensor([answers[n] for n in right]))


@pytest.fixture
def two(make_spec):
    """Two methods, two seeds each."""
    methods = {"plain": {}, "fakes": {"method": "hallucination", "n_aug": 3}}
    specs = {
        (name, seed): make_spec(epochs=2, seed=seed, **changes)
        for name, changes in methods.items()
        for seed in (4, 5)
    }
    return run_seeds(specs)


def test_runs_are_gathered_by_name_in_the_order_of_seeds(two, make_spec):
    assert list(two) == ["plain", "fakes"]
    assert [one.spec.seed for one in two["fakes"].seeds] == [4, 5]
    assert two["plain"].first.folder == run(make_spec(epochs=2, seed=4)).folder
    assert two["plain"].spec == two["plain"].first.spec


def test_all_runs_are_asked_for_at_once(two, monkeypatch):
    calls = []

    def run_matrix(specs, **how):
        calls.append((list(specs), how))
        return {key: two[key[0]].seeds[key[1] - 4] for key in specs}

    monkeypatch.setattr("fewshot_lib.experiments.matrix.run_matrix", run_matrix)
    specs = {(name, seed): two[name].spec for name in two for seed in (4, 5)}
    found = run_seeds(specs, engine="ray")
    assert calls == [(list(specs), {"engine": "ray"})]
    assert found == two


def test_accuracies_are_means_over_seeds(two):
    evaluations = two["plain"].evaluate(20)
    single = [one.evaluate(20) for one in two["plain"].seeds]
    assert evaluations.accuracy == SeedEvaluations(tuple(single)).accuracy
    gap = difference(two["fakes"].evaluate(20), evaluations)
    fakes = SeedEvaluations(tuple(one.evaluate(20) for one in two["fakes"].seeds))
    assert gap == fakes.minus(SeedEvaluations(tuple(single)))
    without = two["fakes"].evaluate(20, n_aug=0)
    assert without.seeds[1].accuracy == two["fakes"].seeds[1].evaluate(20, n_aug=0).accuracy


def test_a_single_seed_is_judged_like_a_run():
    a, b = judged(2, 2, 1, 0), judged(1, 1, 0, 1)
    one, other = SeedEvaluations((a,)), SeedEvaluations((b,))
    assert one.accuracy == a.accuracy
    assert difference(one, other) == a.minus(b)


def test_as_many_seeds_are_paired_as_both_have():
    a, b, c = judged(2, 2, 1, 0), judged(1, 2, 1, 1), judged(0, 0, 0, 0)
    gap = SeedEvaluations((a, b)).minus(SeedEvaluations((c,)))
    assert gap == a.minus(c)


def test_other_queries_are_not_paired():
    a = SeedEvaluations((judged(2, 2, 1, 0), judged(1, 2, 1, 1)))
    b = SeedEvaluations((judged(2, 2, 1, 0, episodes=EPISODES + 1),) * 2)
    assert difference(a, b) == a.accuracy.minus(b.accuracy)


def test_classes_are_counted_over_all_seeds(bank):
    episodes = torch.tensor([[[0, 1, 2], [12, 13, 14]]])
    good = Evaluation(episodes, torch.tensor([[[0, 0], [1, 1]]]))
    poor = Evaluation(episodes, torch.tensor([[[1, 1], [1, 0]]]))
    both = SeedEvaluations((good, poor))
    assert both.confusion(bank)[:2, :2].tolist() == [[2, 2], [1, 3]]
    rates = both.class_accuracies(bank)
    assert (rates["a"], rates["b"]) == (0.5, 0.75)
    assert rates.index[0] == "b"
    single = SeedEvaluations((poor,)).class_accuracies(bank)
    pd.testing.assert_series_equal(single, poor.class_accuracies(bank))


def test_histories_are_averaged_epoch_by_epoch(two):
    seeds = two["plain"].histories
    mean = two["plain"].history
    assert mean["epoch"].tolist() == [1, 2]
    for column in ("loss", "val_accuracy"):
        expected = (seeds[0][column] + seeds[1][column]) / 2
        assert mean[column].tolist() == pytest.approx(expected.tolist())
    assert SeedRuns(two["plain"].seeds[:1]).history is seeds[0]


def test_epochs_and_their_seconds_are_those_of_all_seeds(two):
    plain = two["plain"]
    single = [one.accuracy_at(2) for one in plain.seeds]
    assert plain.accuracy_at(2) == Interval.of_seeds(single)
    seconds = [s for history in plain.histories for s in history["seconds"]]
    expected = Interval.of_few(torch.tensor(seconds, dtype=torch.float64))
    assert plain.epoch_seconds == pytest.approx(expected)
    best = [one.result["best_epoch"] for one in plain.seeds]
    assert plain.best_epochs == f"epochs {best[0]} and {best[1]}"
