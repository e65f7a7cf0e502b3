"""Findings: sentences say what the intervals allow, no more."""

import pytest
import torch

from fewshot_lib.experiments.matrix import SeedEvaluations, difference
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook import sentences
from fewshot_lib.notebook.sentences import (
    NEGLIGIBLE,
    Claim,
    brief,
    caveat,
    check_claims,
    compare,
    disagreements,
    ranking,
    tally,
    verdicts_in_words,
)

EPISODES = torch.arange(16).view(4, 2, 2)


def judged(*right: int, episodes: torch.Tensor = EPISODES) -> Evaluation:
    """Four episodes of two queries each, so many of them right."""
    answers = {0: [[1], [0]], 1: [[0], [0]], 2: [[0], [1]]}
    return Evaluation(episodes, torch.tensor([answers[n] for n in right]))


def test_the_same_queries_are_paired():
    gap = difference(judged(2, 2, 1, 1), judged(1, 1, 0, 0))
    assert gap == Interval(0.5, 0, 4)  # better by as much in every episode: no doubt left


def test_other_queries_are_not():
    a, b = judged(2, 2, 1, 1), judged(1, 1, 0, 0, episodes=EPISODES + 1)
    gap = difference(a, b)
    assert gap == a.accuracy.minus(b.accuracy)
    assert gap.mean == 0.5
    assert gap.ci95 == pytest.approx(1.96 * 0.25 / 2 * 2**0.5)


def test_half_widths_add_in_squares():
    gap = Interval(0.75, 0.03, 600).minus(Interval(0.25, 0.04, 100))
    assert gap == Interval(0.5, pytest.approx(0.05), 100)


def of_runs(*right: tuple[int, ...], runs: tuple[str, ...] = ()) -> SeedEvaluations:
    """A setting's evaluations: for each seed how many queries of each episode are right."""
    return SeedEvaluations(tuple(judged(*one) for one in right), runs)


GOOD, POOR = (2, 2, 2, 2), (1, 1, 1, 0)


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ([GOOD] * 3, [POOR] * 3, "**A** is better than **B** (+62.50 ± "),
        ([POOR] * 3, [GOOD] * 3, "**A** is worse than **B** (−62.50 ± "),
        ([GOOD] * 2, [POOR] * 2, "**A** scored higher here than **B** (+62.50 ± "),
        ([POOR], [GOOD] * 3, "**A** scored lower here than **B** (−62.50 ± "),
        ([(2, 1, 1, 1)], [(1, 1, 2, 1)], "**A** and **B** cannot be told apart (+0.00 ± "),
    ],
)
def test_methods_are_called_better_or_worse_from_three_seeds_on(a, b, sentence):
    assert compare("A", "B", of_runs(*a), of_runs(*b)).startswith(sentence)


def test_one_seed_is_enough_for_the_same_weights():
    a, b = of_runs(GOOD, runs=("one",)), of_runs(POOR, runs=("one",))
    assert "is better than" in compare("Calibrated", "plain", a, b)
    other = of_runs(POOR, runs=("another",))
    assert "scored higher here" in compare("A", "B", a, other)


def test_a_sure_but_tiny_difference_is_practically_none():
    gap = Interval(0.002, 0.001, 10_000)
    assert gap.verdict() == "confirmed"
    assert gap.verdict(NEGLIGIBLE) == "practically equal"
    assert Interval(0.002, 0.003, 600).verdict(NEGLIGIBLE) == "undecided"
    assert Interval(-0.03, 0.001, 600).verdict(NEGLIGIBLE) == "contradicted"


@pytest.mark.parametrize(
    ("n_seeds", "verdicts"),
    [
        (3, ["confirmed", "contradicted", "practically equal", "undecided"]),
        (1, ["seen here", "not seen here", "practically equal", "undecided"]),
        (None, ["confirmed", "contradicted", "practically equal", "undecided"]),
    ],
)
def test_verdicts_on_claims_depend_on_the_seeds(n_seeds, verdicts):
    gaps = [Interval(mean, 0.001, 600) for mean in (0.1, -0.1, 0.0015, 0.0005)]
    claims = [Claim("a claim", gap, n_seeds) for gap in gaps]
    assert check_claims(claims)["verdict"].tolist() == verdicts
    assert tally(claims).startswith(f"Of 4 claims: 1 {verdicts[0]}, 1 {verdicts[1]}, 1 pract")
    explained = verdicts_in_words(claims)
    assert all(f"*{word}*" in explained for word in verdicts)
    assert ("another seed may turn this round" in explained) == (n_seeds == 1)


def test_what_needs_one_seed_is_explained_beside_what_needs_more():
    claims = [Claim("a claim", Interval(0.1, 0.001, 600), n_seeds) for n_seeds in (1, None)]
    assert check_claims(claims)["verdict"].tolist() == ["seen here", "confirmed"]
    explained = verdicts_in_words(claims)
    assert explained.index("*seen here*") < explained.index("on the same weights *confirmed*")


def test_a_second_is_no_accuracy():
    claim = Claim("faster", Interval(0.002, 0.001, 10), 3, Interval.seconds)
    assert claim.verdict == "confirmed"


def test_few_seeds_are_told():
    assert caveat(1, 3) == "One training run each: another seed may turn this round."
    assert caveat(2).startswith("2 training runs each")
    assert caveat(3, 5) == ""


def test_classes_that_disagree_are_named():
    val = {"A": Interval(0.02, 0.01, 600), "B": Interval(0.02, 0.01, 600)}
    test = {"A": Interval(-0.001, 0.01, 600), "B": Interval(0.01, 0.01, 600)}
    (sentence,) = disagreements(val, test)
    assert sentence.startswith("**A** against Problem 1: +2.00 ± 1.00 points on validation")


def test_an_interval_that_touches_zero_decides_nothing():
    assert Interval(0.01, 0.01, 600).verdict() == "undecided"
    assert Interval(-0.01, 0.01, 600).verdict() == "undecided"


def test_a_ranking_compares_neighbours_best_first():
    found = ranking(
        {"low": of_runs((0, 0, 0, 0)), "top": of_runs(GOOD), "mid": of_runs((1, 1, 2, 0))}
    )
    assert found == [
        "**top** scored higher here than **mid** (+50.00 ± 34.65 points).",
        "**mid** scored higher here than **low** (+50.00 ± 34.65 points).",
    ]
    assert ranking({"only": of_runs(GOOD)}) == []


def test_in_brief_many_settings_are_compared_at_their_ends():
    few = {"a": of_runs(GOOD), "b": of_runs(POOR)}
    assert brief(few) == ranking(few)
    many = {"a": of_runs(POOR), "b": of_runs(POOR), "c": of_runs(POOR), "d": of_runs(GOOD)}
    (sentence,) = brief(many)
    assert sentence.startswith("**d** scored higher here than **a**")


def test_one_sentence_is_a_paragraph_and_several_are_a_list(monkeypatch):
    texts = []
    monkeypatch.setattr(sentences, "display", lambda shown: texts.append(shown.data))
    sentences.say("One.")
    sentences.say("One.", "Two.")
    assert texts == ["One.", "- One.\n- Two."]


def test_empty_sentences_are_left_out(monkeypatch):
    texts = []
    monkeypatch.setattr(sentences, "display", lambda shown: texts.append(shown.data))
    sentences.say("One.", "")
    assert texts == ["One."]
