"""Figures: what is drawn."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from fewshot_lib.experiments.matrix import SeedEvaluations
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook import figures, style
from fewshot_lib.notebook.moves import Arrows


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_an_episode_grid_names_its_classes_in_order(bank):
    episode = torch.tensor([[12, 13, 14], [0, 1, 2]])
    figure = figures.episode_grid(bank, episode, n_shot=1)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["b", "a"]
    assert [ax.get_title() for ax in figure.axes] == ["support", "query"]


def test_the_confusion_matrix_shows_percent_of_each_true_class(bank):
    episodes = torch.tensor([[[0, 1, 2, 3], [12, 13, 14, 15]]])
    predictions = torch.tensor([[[0, 0, 1], [1, 1, 1]]])
    figure = figures.confusion(Evaluation(episodes, predictions), bank)
    cells = {t.get_position(): t.get_text() for t in figure.axes[0].texts}
    assert cells[(0.5, 0.5)] == "67"
    assert cells[(1.5, 0.5)] == "33"
    assert cells[(1.5, 1.5)] == "100"


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
    figure = figures.seeds_and_means({0: judged(2, 3), 10: judged(4)}, "M")
    assert [bar.get_segments()[0][0][1] for bar in bars(figure)] == [62.5, 100]
    assert [
        list(line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() == "o"
    ] == [
        [50, 75],
        [100],
    ]


def test_a_method_s_bar_has_its_colour():
    figure = figures.seeds_and_means({"AFHN": judged(2), "cosine": judged(1)}, "method")
    colours = [to_hex(bar.get_color()[0]) for bar in bars(figure)]
    assert colours == [style.METHODS["AFHN"], style.METHODS["Problem 1"]]


def test_several_seeds_are_shown_and_a_single_one_is_not(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show", lambda figure, alt, caption: shown.append(figure))
    figures.show_seeds({"a": judged(2), "b": judged(3)}, "setting")
    assert shown == []
    figures.show_seeds({"a": judged(2, 4), "b": judged(3, 3)}, "setting")
    (figure,) = shown
    assert [bar.get_segments()[0][0][1] for bar in bars(figure)] == [75, 75]


def test_the_result_has_a_row_for_each_method_and_a_mark_for_each_set_of_classes():
    by_method = {
        "Problem 1": Interval(0.5, 0.01, 600),
        "AFHN, calibrated": Interval(0.6, 0.02, 600),
    }
    figure = figures.result({"test classes": by_method, "validation classes": by_method})
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == list(by_method)
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in marks] == [50, 60, 50, 60]
    assert to_hex(marks[1].get_color()) == style.METHODS["AFHN"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "test classes",
        "validation classes",
    ]


def test_an_arrow_leads_from_the_single_shot_to_the_mixed_prototype():
    single, mixed = torch.zeros(2, 3, 2), torch.ones(2, 3, 2)
    figure = figures.moves(Arrows(single, mixed, torch.zeros(2, 2), ["a", "b"]))
    arrows = [c for c in figure.axes[0].collections if hasattr(c, "U")]
    assert len(arrows) == 2
    assert (arrows[0].U == 1).all() and (arrows[0].X == 0).all()
    assert figure.axes[0].viewLim.xmax > 1  # the heads lie inside the picture
