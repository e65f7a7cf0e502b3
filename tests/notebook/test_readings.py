"""Sentences made of measured values say what these values say."""

from types import SimpleNamespace

import pandas as pd
import pytest

from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook import readings
from fewshot_lib.notebook.moves import Move


def setting(*accuracies: float) -> SimpleNamespace:
    """Runs with these validation accuracies, one an epoch."""
    return SimpleNamespace(
        spec=SimpleNamespace(epochs=len(accuracies)),
        accuracy_at=lambda epoch: Interval(accuracies[epoch - 1], 0.01, 600),
    )


def test_the_best_and_the_worst_are_told_early_and_late():
    runs = {"a": setting(0.3, 0.2), "b": setting(0.25, 0.5), "c": setting(0.2, 0.4)}
    assert readings.early_and_late(runs, 1) == (
        "After epoch 1, a (30.0 %) leads and c (20.0 %) is last. "
        "After epoch 2, b (50.0 %) leads and a (20.0 %) is last."
    )
    assert readings.early_and_late({"a": setting(0.3, 0.2)}, 1) == (
        "After epoch 1, a (30.0 %) leads. After epoch 2, a (20.0 %) leads."
    )


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ((0.3, 0.4), (0.2, 0.3), "the same order from the early epochs on"),
        ((0.1, 0.4), (0.2, 0.3), "the same order at the end, but not in the early epochs"),
        ((0.3, 0.2), (0.2, 0.3), "the same order in the early epochs, but not at the end"),
        ((0.1, 0.2), (0.2, 0.3), "another order"),
    ],
)
def test_an_order_is_compared_with_the_original_s(a, b, words):
    text = readings.order({"b": setting(*b), "a": setting(*a)}, ("a", "missing", "b"), 1)
    assert words in text


def test_a_gap_has_its_sign():
    text = readings.gap(setting(0.3, 0.3), setting(0.25, 0.45), 1)
    assert text == "−5.0 points after epoch 1, 15.0 after the last"


def move(nearer: float, righter: float, in_test: float) -> list[str]:
    shares = 0.9, nearer, 0.95, 0.4, righter
    found = Move(*(Interval(share, 0.005, 600) for share in shares))
    return readings.move(found, 16, Interval(in_test, 0.005, 600))


@pytest.mark.parametrize(
    ("nearer", "righter", "in_test", "words"),
    [
        (0.28, 0.02, 0.02, "seem to disagree, and do not"),
        (0.7, -0.02, 0.02, "mean cosine of a move with their common direction is 0.40"),
        (0.7, 0.02, 0.02, "All three say the same"),
        (0.3, -0.02, -0.02, "All three say the same"),
        (0.3, -0.02, 0.001, "hardly decides an answer"),
    ],
)
def test_measures_of_a_move_are_reconciled(nearer, righter, in_test, words):
    *numbers, last = move(nearer, righter, in_test)
    assert words in last
    assert "drawn toward the middle" in numbers[0]
    assert f"{100 * righter:+.2f}".replace("-", "−") in numbers[1]
    assert f"{100 * in_test:+.2f}".replace("-", "−") in numbers[2]


@pytest.mark.parametrize(
    ("made", "words"), [(0.9, "That is so here"), (0.3, "other way round"), (0.61, "neither can")]
)
def test_maps_are_read_against_what_the_original_saw(made, words):
    measures = {
        "centre accuracy, real": Interval(0.6, 0.05, 100),
        "centre accuracy, hallucinated": Interval(made, 0.05, 300),
        "diversity": 0.05,
    }
    seen = {"centre accuracy, real": Interval(0.9, 0.02, 100)}
    first, second, third = readings.maps(measures, seen)
    assert words in first
    assert "The noise is all but ignored" in second
    assert "90.0 %" in third and "so much is lost" in third


def test_why_follows_the_last_epoch():
    last = {"fake_weight": 0.25, "discriminator_loss": 0.1, "fake_loss": 2.0, "loss": 1.5}
    p3 = SimpleNamespace(history=pd.DataFrame([last]))
    gap = Interval(0.01, 0.002, 600)
    first, second, third, _ = readings.why(p3, gap, gap)
    assert "**0.10** where guessing gives 0.69: it tells real" in first
    assert "is **0.250**" in second and "**25 %**" in second
    assert third.count("+1.00 ± 0.20 points") == 2
