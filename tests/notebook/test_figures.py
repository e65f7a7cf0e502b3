"""Figures: what is drawn, and that none is shown without a description."""

import re
from itertools import pairwise
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from fewshot_lib.experiments.matrix import SeedEvaluations
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.notebook import diagrams, figures, style

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "loss": [3.0, 0.3, 0.1],
        "val_accuracy": [0.2, 0.3, 0.4],
        "val_ci95": [0.01, 0.01, 0.01],
    }
)


def runs(*histories: pd.DataFrame, n_way: int = 5) -> SimpleNamespace:
    """What a figure asks of a setting's runs."""
    return SimpleNamespace(histories=histories, spec=SimpleNamespace(n_way_test=n_way))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch) -> list[tuple[dict, dict]]:
    """Data and metadata of what is displayed."""
    found = []
    monkeypatch.setattr(
        style, "display", lambda data, raw, metadata: found.append((data, metadata))
    )
    return found


def test_a_small_figure_is_shown_as_svg_with_its_description(shown):
    figure = plt.figure(figsize=(3, 2), layout="none")
    style.show(figure, alt="nothing at all", caption="An empty figure.")
    ((data, metadata),) = shown
    about = {"alt": "nothing at all", "caption": "An empty figure.", "width": 300}
    assert metadata == {"image/svg+xml": about}
    assert data["image/svg+xml"].startswith("<svg")
    assert data["text/plain"] == "nothing at all"
    assert not plt.fignum_exists(figure.number)


def test_a_large_figure_is_shown_as_png_at_twice_its_size(shown, monkeypatch):
    monkeypatch.setattr(style, "_LARGEST_SVG", 1000)
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.scatter(*torch.rand(2, 5000, generator=torch.Generator().manual_seed(0)), s=1, c="k")
    style.show(figure, alt="dust")
    ((data, metadata),) = shown
    assert metadata == {"image/png": {"alt": "dust", "caption": "", "width": 300}}
    assert int.from_bytes(data["image/png"][16:20], "big") == 600  # width, from the PNG's header


def test_a_figure_without_description_is_refused(shown):
    with pytest.raises(ValueError, match="alternative text"):
        style.show(plt.figure(), alt=" ")
    assert shown == []


def test_the_same_figure_is_the_same_svg_and_ids_are_its_own():
    style.use_style()
    one, again, other = (
        style.svg(figures.learning_curves({"a": runs(HISTORY)}), salt) for salt in "xxy"
    )
    assert one == again
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "<metadata" not in one
    assert ">training loss</text>" in one


def test_a_method_has_one_colour_in_every_figure():
    curves = figures.learning_curves({name: runs(HISTORY) for name in ("b", "AFHN", "Problem 2")})
    lines = {line.get_label(): line.get_color() for line in curves.axes[0].lines}
    assert lines["AFHN"] == style.METHODS["AFHN"]
    assert lines["Problem 2"] == style.METHODS["Problem 2"]
    assert lines["b"] not in style.METHODS.values()
    panels = figures.losses(runs(HISTORY), {"loss": "real"}, method="AFHN")
    assert panels.axes[0].lines[0].get_color() == style.METHODS["AFHN"]


def test_values_of_one_quantity_are_ordered_from_light_to_dark():
    colours = style.colours_of([f"K = {k}" for k in (1, 5, 10, 20)])
    brightness = [sum(to_rgb(colour)) for colour in colours.values()]
    assert brightness == sorted(brightness, reverse=True)
    assert len(set(colours.values())) == 4


def test_more_names_than_colours_can_be_drawn():
    assert len(style.colours_of([f"setting {c}" for c in "abcdefghij"])) == 10


def test_labels_that_meet_move_apart_as_little_as_possible():
    assert figures._apart([0.1, 0.5, 0.9], 0.2) == pytest.approx([0.1, 0.5, 0.9])
    assert figures._apart([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert figures._apart([0.5, 0.9, 0.45], 0.2) == pytest.approx([0.575, 0.9, 0.375])
    assert figures._apart([0.5, 0.5, 0.65], 0.2) == pytest.approx([0.35, 0.55, 0.75])
    assert figures._apart([], 0.2) == []


def test_learning_curves_show_percent_with_bands_and_name_their_lines():
    figure = figures.learning_curves({"a": runs(HISTORY), "b": runs(HISTORY)})
    left, right = figure.axes
    assert left.get_yscale() == "log"  # the losses span more than a factor of five
    assert list(right.lines[0].get_ydata()) == pytest.approx([20, 30, 40])
    assert len(right.collections) == 2
    assert right.lines[-1].get_ydata()[0] == pytest.approx(20)
    assert [t.get_text() for t in right.texts] == ["a", "b", "chance"]


def test_names_of_lines_do_not_overlap_and_stay_in_the_figure():
    settings = {f"setting {c}": runs(HISTORY.assign(loss=1.0), n_way=2) for c in "abcdef"}
    figure = figures.learning_curves(settings)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[1].texts]  # without lines
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_one_curve_needs_no_name():
    figure = figures.learning_curves({"main": runs(HISTORY)})
    assert [t.get_text() for t in figure.axes[1].texts] == ["chance"]


def test_every_seed_is_a_thin_line_below_the_mean():
    seeds = [HISTORY, HISTORY.assign(val_accuracy=HISTORY["val_accuracy"] + 0.1)]
    left, right = figures.learning_curves({"a": runs(*seeds), "b": runs(*seeds)}).axes
    thin = [line for line in right.lines if line.get_linewidth() == figures._SINGLE["lw"]]
    thick = [line for line in right.lines if line.get_marker() == "."]
    assert [list(line.get_ydata()) for line in thin[:2]] == [
        pytest.approx([20, 30, 40]),
        pytest.approx([30, 40, 50]),
    ]
    assert list(thick[0].get_ydata()) == pytest.approx([25, 35, 45])
    assert (len(thin), len(thick)) == (4, 2)
    assert all(line.get_zorder() < thick[0].get_zorder() for line in thin)
    assert len({line.get_color() for line in (*thin[:2], thick[0])}) == 1
    assert len(left.lines) == 6
    assert [t.get_text() for t in right.texts] == ["a", "b", "chance"]


def test_losses_show_every_seed():
    seeds = [HISTORY, HISTORY.assign(loss=HISTORY["loss"] + 2)]
    (ax,) = figures.losses(runs(*seeds), {"loss": "real"}).axes
    assert [list(line.get_ydata()) for line in ax.lines] == [
        pytest.approx([3, 0.3, 0.1]),
        pytest.approx([5, 2.3, 2.1]),
        pytest.approx([4, 1.3, 1.1]),
    ]


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


def test_the_training_step_has_a_panel_for_each_network():
    titles = [ax.get_title(loc="left") for ax in diagrams.training_step().axes]
    assert [title.split()[1] for title in titles] == ["Extractor", "Generator", "Discriminator"]


def test_in_each_step_one_network_learns():
    for title, rows in diagrams.STEPS.items():
        learning = [text for row in rows for _, text, colour in row if colour == diagrams.LEARNS]
        assert learning == [title.split()[1]]


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
