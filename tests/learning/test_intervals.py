"""Intervals over seeds, checked by hand and by simulations whose truth is known."""

import pytest
import torch

from fewshot_lib.experiments.matrix import SeedEvaluations
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook.sentences import seeds_in_words, words

TRUTH = 0.5


def simulated(n_seeds: int, n_episodes: int, stds: tuple[float, float, float], n: int):
    """``n`` tables of accuracies: seeds, episodes and the rest vary with these stds."""
    generator = torch.Generator().manual_seed(n_seeds)
    shapes = (n, n_seeds, 1), (n, 1, n_episodes), (n, n_seeds, n_episodes)
    parts = [
        std * torch.randn(shape, generator=generator)
        for std, shape in zip(stds, shapes, strict=True)
    ]
    return TRUTH + sum(parts)


def holds(found) -> bool:
    return found.low <= TRUTH <= found.high


def judged(right: list[list[int]], first: int = 0) -> Evaluation:
    """One way's queries for each episode, 1 where the answer is right."""
    predictions = torch.tensor(right).unsqueeze(1) - 1  # 0 is the only right position
    n = predictions.shape[-1]
    episodes = first + torch.arange(len(right) * (1 + n)).view(len(right), 1, 1 + n)
    return Evaluation(episodes, predictions)


def test_two_seeds_and_two_episodes_by_hand():
    """Means of seeds 0.5 and 0.7, of episodes 0.5 and 0.7, nothing left over."""
    found = Interval.over_seeds(torch.tensor([[0.4, 0.6], [0.6, 0.8]]))
    assert found.mean == pytest.approx(0.6)
    # A = B = 0.02, R = 0: V = 0.01 + 0.01, df = 0.02**2 / (0.01**2 + 0.01**2) = 2, t = 4.3027
    assert found.ci95 == pytest.approx(4.3027 * 0.02**0.5, rel=1e-4)
    assert found.n == 2


def test_the_rest_is_not_counted_twice():
    # Means of seeds 0.5, 0.5; of episodes 0.4, 0.6; the rest is 0.1 in size: R = 0.04.
    found = Interval.over_seeds(torch.tensor([[0.3, 0.7], [0.5, 0.5]]))
    # A / S = 0, B / E = 0.01, R / (S E) = 0.01: the bound B / E holds, df = 1, t = 12.706
    assert found.ci95 == pytest.approx(12.706 * 0.01**0.5, rel=1e-4)


def test_one_seed_has_the_field_s_interval():
    values = torch.rand(1, 50, generator=torch.Generator().manual_seed(0))
    assert Interval.over_seeds(values) == Interval.of(values[0])


def test_equal_values_have_no_spread():
    assert Interval.over_seeds(torch.full((3, 4), 0.25)) == (0.25, 0.0, 4)


@pytest.mark.parametrize(
    ("n_seeds", "stds"),
    [
        (3, (0.01, 0.08, 0.04)),
        (3, (0.0, 0.08, 0.04)),
        (3, (0.003, 0.08, 0.04)),
        (5, (0.02, 0.08, 0.04)),
        (5, (0.005, 0.05, 0.05)),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_say(n_seeds, stds):
    tables = simulated(n_seeds, 200, stds, 1500)
    share = sum(holds(Interval.over_seeds(table)) for table in tables) / len(tables)
    assert 0.92 < share < 0.975


@pytest.mark.parametrize(("n_seeds", "expected"), [(2, 0.88), (3, 0.92), (5, 0.945)])
def test_few_seeds_that_dominate_hold_it_as_often_as_is_said(n_seeds, expected):
    tables = simulated(n_seeds, 200, (0.03, 0.08, 0.04), 2000)
    share = sum(holds(Interval.over_seeds(table)) for table in tables) / len(tables)
    assert share == pytest.approx(expected, abs=0.015)


def test_a_few_values_have_student_s_interval():
    found = Interval.of_few(torch.tensor([1.0, 2.0, 6.0]))
    assert found == (3.0, pytest.approx(4.3027 * 7**0.5 / 3**0.5, rel=1e-4), 3)  # t(0.975, 2)
    assert Interval.of_few(torch.tensor([2.0, 2.0])) == (2.0, 0.0, 2)
    assert Interval.of_few(torch.tensor([2.0])) == (2.0, float("inf"), 1)
    generator = torch.Generator().manual_seed(0)
    samples = TRUTH + torch.randn(2000, 3, generator=generator)
    assert sum(holds(Interval.of_few(row)) for row in samples) / 2000 == pytest.approx(
        0.95, abs=0.015
    )


def test_neither_seeds_nor_episodes_alone_would_do():
    tables = simulated(3, 200, (0.007, 0.08, 0.04), 1000)
    episodes_alone = sum(holds(Interval.of(table.mean(0))) for table in tables) / len(tables)
    assert episodes_alone < 0.9
    for_seeds = tables.mean(2)
    half = 4.3027 * for_seeds.std(1) / 3**0.5  # t(0.975, 2)
    seeds_alone = ((for_seeds.mean(1) - TRUTH).abs() <= half).double().mean()
    assert seeds_alone < 0.9
    assert sum(holds(Interval.over_seeds(table)) for table in tables) / len(tables) > 0.92


def test_evaluations_are_put_together():
    seeds = [judged([[1, 0], [1, 1]]), judged([[1, 1], [1, 1]])]
    assert SeedEvaluations(tuple(seeds)).accuracy == Interval.over_seeds(
        torch.tensor([[0.5, 1.0], [1.0, 1.0]])
    )


def test_differences_are_paired():
    """Both methods gain alike with the seed and with the episode: the gap has no spread."""
    better = [judged([[1, 1, 0, 0], [1, 1, 1, 0]]), judged([[1, 1, 1, 0], [1, 1, 1, 1]])]
    worse = [judged([[1, 0, 0, 0], [1, 1, 0, 0]]), judged([[1, 1, 0, 0], [1, 1, 1, 0]])]
    better, worse = SeedEvaluations(tuple(better)), SeedEvaluations(tuple(worse))
    assert better.minus(worse) == (0.25, 0.0, 2)
    assert better.accuracy.ci95 > 0.5


def test_other_queries_are_refused():
    here, there = judged([[1, 0]]), judged([[1, 0]], first=9)
    with pytest.raises(ValueError, match="same queries"):
        _ = SeedEvaluations((here, there)).accuracy
    with pytest.raises(ValueError, match="same queries"):
        SeedEvaluations((here,)).minus(SeedEvaluations((there,)))


def test_intervals_of_seeds_by_hand():
    found = Interval.of_seeds([Interval(0.5, 0.196, 101), Interval(0.7, 0.196, 101)])
    # A / S = 0.02 / 2, episodes 0.1**2: V = 0.02, df = 4e-4 / (1e-4 + 1e-6) = 3.96, t = 2.7874
    assert found.mean == pytest.approx(0.6)
    assert found.ci95 == pytest.approx(2.7874 * 0.02**0.5, rel=1e-4)
    assert found.n == 101


def test_a_single_seed_s_interval_stays_as_it_is():
    one = Interval(0.5, 0.01, 600)
    assert Interval.of_seeds([one]) is one


def test_what_only_intervals_tell_is_never_surer_than_what_all_episodes_tell():
    for table in simulated(3, 200, (0.01, 0.08, 0.04), 200):
        rough = Interval.of_seeds([Interval.of(row) for row in table])
        exact = Interval.over_seeds(table)
        assert rough.mean == pytest.approx(exact.mean)
        assert rough.ci95 > 0.95 * exact.ci95
    tables = simulated(3, 200, (0.01, 0.08, 0.04), 1000)
    share = sum(holds(Interval.of_seeds([Interval.of(row) for row in t])) for t in tables) / len(
        tables
    )
    assert share > 0.93


def test_intervals_without_width_have_none_together():
    assert Interval.of_seeds([Interval(0.5, 0.0, 10)] * 3) == (0.5, 0.0, 10)


def test_one_episode_has_no_spread_of_its_own():
    found = Interval.of_seeds([Interval(0.4, 0.0, 1), Interval(0.6, 0.0, 1)])
    assert found == (0.5, pytest.approx(12.706 * 0.1, rel=1e-4), 1)  # 0.02 / 2, one degree


def test_a_single_seed_is_not_worth_a_word():
    assert words(1)[2:] == ("", "", "", "")
    assert "seed" not in " ".join(words(1))


def test_several_seeds_are_told_of_wherever_numbers_stand():
    assert all("3 seeds" in text for text in (words(3).accuracy, words(3).over, words(3).first))
    assert "both" in words(3).paired
    assert "up to 3 seeds" in words(1, 3).over


def test_seeds_are_told_as_a_range():
    assert (seeds_in_words(4, 1), seeds_in_words(4, 3)) == ("4", "4 to 6")
