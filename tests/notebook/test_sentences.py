"""Findings: sentences say what the intervals allow, no more."""

import pytest
import torch

from fewshot_lib.experiments.matrix import difference
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval, points, unpaired, verdict
from fewshot_lib.notebook import sentences
from fewshot_lib.notebook.sentences import compare, ranking

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
    assert gap == unpaired(a.accuracy, b.accuracy)
    assert gap.mean == 0.5
    assert gap.ci95 == pytest.approx(1.96 * 0.25 / 2 * 2**0.5)


def test_half_widths_add_in_squares():
    gap = unpaired(Interval(0.75, 0.03, 600), Interval(0.25, 0.04, 100))
    assert gap == Interval(0.5, pytest.approx(0.05), 100)


@pytest.mark.parametrize(
    ("mean", "word", "sentence"),
    [
        (0.031, "confirmed", "**A** is better than **B** (+3.10 ± 0.90 points)"),
        (-0.031, "not confirmed", "**A** is worse than **B** (−3.10 ± 0.90 points)"),
        (0.005, "undecided", "**A** and **B** cannot be told apart (+0.50 ± 0.90 points)"),
        (-0.005, "undecided", "**A** and **B** cannot be told apart (−0.50 ± 0.90 points)"),
    ],
)
def test_a_difference_in_words(mean, word, sentence):
    gap = Interval(mean, 0.009, 600)
    assert verdict(gap) == word
    assert compare("A", "B", gap) == sentence
    assert points(gap) in sentence


def test_an_interval_that_touches_zero_decides_nothing():
    assert verdict(Interval(0.01, 0.01, 600)) == "undecided"
    assert verdict(Interval(-0.01, 0.01, 600)) == "undecided"


def test_a_ranking_compares_neighbours_best_first():
    found = ranking(
        {"low": judged(0, 0, 0, 0), "top": judged(2, 2, 2, 2), "mid": judged(1, 1, 2, 0)}
    )
    assert found == [
        "**top** is better than **mid** (+50.00 ± 34.65 points)",
        "**mid** is better than **low** (+50.00 ± 34.65 points)",
    ]
    assert ranking({"only": judged(1, 1, 1, 1)}) == []


def test_one_sentence_is_a_paragraph_and_several_are_a_list(monkeypatch):
    texts = []
    monkeypatch.setattr(sentences, "display", lambda shown: texts.append(shown.data))
    sentences.say("One.")
    sentences.say("One.", "Two.")
    assert texts == ["One.", "- One.\n- Two."]
