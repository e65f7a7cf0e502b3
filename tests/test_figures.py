"""Figures: what is drawn, and that none is shown without a description."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from fewshot_lib import diagrams, figures
from fewshot_lib.evaluation import Evaluation

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "loss": [3.0, 0.3, 0.1],
        "val_accuracy": [0.2, 0.3, 0.4],
        "val_ci95": [0.01, 0.01, 0.01],
    }
)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_a_figure_is_shown_at_twice_its_size_with_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr(
        figures, "display", lambda data, raw, metadata: shown.append((data, metadata))
    )
    figure = plt.figure(figsize=(3, 2), layout="none")
    figures.show(figure, alt="nothing at all", caption="An empty figure.")
    ((data, metadata),) = shown
    about = {"alt": "nothing at all", "caption": "An empty figure.", "width": 300}
    assert metadata == {"image/png": about}
    assert int.from_bytes(data["image/png"][16:20], "big") == 600  # width, from the PNG's header
    assert not plt.fignum_exists(figure.number)


def test_learning_curves_show_percent_with_bands_and_chance():
    figure = figures.learning_curves({"a": HISTORY, "b": HISTORY}, chance=0.2)
    left, right = figure.axes
    assert left.get_yscale() == "log"  # the losses span more than a factor of five
    assert list(right.lines[0].get_ydata()) == pytest.approx([20, 30, 40])
    assert len(right.collections) == 2
    assert right.lines[-1].get_ydata()[0] == pytest.approx(20)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a", "b"]


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


def test_feature_maps_share_one_legend_and_colours():
    frame = pd.DataFrame(
        {
            "x": [0.0, 1, 2, 3],
            "y": [0.0, 1, 2, 3],
            "class": ["a", "b", "a", "b"],
            "kind": ["real", "real", "hallucinated", "hallucinated"],
        }
    )
    figure = figures.feature_maps({"one": frame, "two": frame, "three": frame}, columns=2)
    assert [ax.get_title() for ax in figure.axes] == ["one", "two", "three"]
    texts = [t.get_text() for t in figure.legends[0].get_texts()]
    assert texts == ["a", "b", "real", "hallucinated"]


def test_every_seed_is_a_point_and_their_mean_a_bar():
    frame = pd.DataFrame({"M": [0, 0, 10], "accuracy": [50.0, 60, 70], "ci95": [1.0, 1, 1]})
    figure = figures.seeds_and_means(frame, "M")
    bars = [c for c in figure.axes[0].collections if c.get_linewidth()[0] == 2]
    assert [bar.get_segments()[0][0][1] for bar in bars] == [55, 70]


def test_the_training_step_has_a_panel_for_each_network():
    titles = [ax.get_title(loc="left") for ax in diagrams.training_step().axes]
    assert [title.split()[1] for title in titles] == ["Extractor", "Generator", "Discriminator"]


def test_in_each_step_one_network_learns():
    for title, rows in diagrams.STEPS.items():
        learning = [text for row in rows for _, text, colour in row if colour == diagrams.LEARNS]
        assert learning == [title.split()[1]]
