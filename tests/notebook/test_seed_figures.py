"""Every seed beside the mean over seeds."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from fewshot_lib.experiments.matrix import SeedEvaluations
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.notebook import figures
from fewshot_lib.notebook.style import METHODS


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def bars(figure) -> list:
    return [c for c in figure.axes[0].collections if c.get_linewidth()[0] == 2.2]


def judged(*right: int) -> SeedEvaluations:
    """A seed for each number: so many of four queries right."""
    episodes = torch.arange(10).view(1, 2, 5)
    truth = [0, 0, 0, 0], [1, 1, 1, 1]
    seeds = []
    for n in right:
        answers = [[row[0]] * n + [1 - row[0]] * (4 - n) for row in truth]
        seeds.append(Evaluation(episodes, torch.tensor([answers])))
    return SeedEvaluations(tuple(seeds))


def test_every_seed_is_a_point_and_their_mean_a_bar():
    frame = pd.DataFrame({"M": [0, 0, 10], "accuracy": [50.0, 60, 70], "ci95": [1.0, 1, 1]})
    figure = figures.seeds_and_means(frame, "M")
    assert [bar.get_segments()[0][0][1] for bar in bars(figure)] == [55, 70]


def test_a_method_s_bar_has_its_colour():
    frame = pd.DataFrame({"method": ["AFHN", "cosine"], "accuracy": [50.0, 60], "ci95": [1.0, 1]})
    figure = figures.seeds_and_means(frame, "method", method="Problem 1")
    plt.figure()
    expected = [METHODS["AFHN"], METHODS["Problem 1"]]
    colours = [plt.matplotlib.colors.to_hex(bar.get_color()[0]) for bar in bars(figure)]
    assert colours == expected


def test_several_seeds_are_shown_and_a_single_one_is_not(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show", lambda figure, alt, caption: shown.append(figure))
    figures.show_seeds({"a": judged(2), "b": judged(3)}, "setting")
    assert shown == []
    figures.show_seeds({"a": judged(2, 4), "b": judged(3, 3)}, "setting")
    (figure,) = shown
    assert [bar.get_segments()[0][0][1] for bar in bars(figure)] == [75, 75]
