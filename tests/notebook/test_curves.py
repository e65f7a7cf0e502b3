"""Curves over epochs: what is drawn, and where it is named."""

import re
from itertools import pairwise
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.text import Text

from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.notebook import curves, style
from fewshot_lib.notebook.curves import learning_curves, losses

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "loss": [3.0, 0.3, 0.1],
        "val_accuracy": [0.2, 0.3, 0.4],
        "val_ci95": [0.01, 0.01, 0.01],
    }
)


def runs(*histories: pd.DataFrame, n_way: int = 5, start: object = None) -> SeedRuns:
    """A setting's runs, of which figures ask no more than this."""
    spec = SimpleNamespace(n_way_test=n_way)
    of_seed = {"spec": spec, "pretraining": start}
    return SeedRuns(tuple(SimpleNamespace(history=history, **of_seed) for history in histories))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_the_same_figure_is_the_same_svg_and_ids_are_its_own():
    style.use_style()
    one, again, other = (style.svg(learning_curves({"a": runs(HISTORY)}), salt) for salt in "xxy")
    assert one == again
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "<metadata" not in one
    assert ">training loss</text>" in one


def test_a_method_has_one_colour_in_every_figure():
    figure = learning_curves({name: runs(HISTORY) for name in ("b", "AFHN", "Problem 2")})
    lines = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
    assert lines["AFHN"] == style.METHODS["AFHN"]
    assert lines["Problem 2"] == style.METHODS["Problem 2"]
    assert lines["b"] not in style.METHODS.values()
    panels = losses(runs(HISTORY), {"loss": "real"}, method="AFHN")
    assert panels.axes[0].lines[0].get_color() == style.METHODS["AFHN"]


def test_labels_that_meet_move_apart_as_little_as_possible():
    assert curves._apart([0.1, 0.5, 0.9], 0.2) == pytest.approx([0.1, 0.5, 0.9])
    assert curves._apart([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert curves._apart([0.5, 0.9, 0.45], 0.2) == pytest.approx([0.575, 0.9, 0.375])
    assert curves._apart([0.5, 0.5, 0.65], 0.2) == pytest.approx([0.35, 0.55, 0.75])
    assert curves._apart([], 0.2) == []


def test_learning_curves_show_percent_with_bands_and_name_their_lines():
    figure = learning_curves({"a": runs(HISTORY), "b": runs(HISTORY)})
    left, right = figure.axes
    assert left.get_yscale() == "log"  # the losses span more than a factor of five
    assert list(right.lines[0].get_ydata()) == pytest.approx([20, 30, 40])
    assert len(right.collections) == 2
    assert right.lines[-1].get_ydata()[0] == pytest.approx(20)
    assert [t.get_text() for t in right.texts] == ["a", "b", "chance"]


def test_names_of_lines_do_not_overlap_and_stay_in_the_figure():
    settings = {f"setting {c}": runs(HISTORY.assign(loss=1.0), n_way=2) for c in "abcdef"}
    figure = learning_curves(settings)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[1].texts]  # without lines
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_one_curve_needs_no_name():
    figure = learning_curves({"main": runs(HISTORY)})
    assert [t.get_text() for t in figure.axes[1].texts] == ["chance"]


def test_every_seed_is_a_thin_line_below_the_mean():
    seeds = [HISTORY, HISTORY.assign(val_accuracy=HISTORY["val_accuracy"] + 0.1)]
    left, right = learning_curves({"a": runs(*seeds), "b": runs(*seeds)}).axes
    thin = [line for line in right.lines if line.get_linewidth() == curves._SINGLE["lw"]]
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
    (ax,) = losses(runs(*seeds), {"loss": "real"}).axes
    assert [list(line.get_ydata()) for line in ax.lines] == [
        pytest.approx([3, 0.3, 0.1]),
        pytest.approx([5, 2.3, 2.1]),
        pytest.approx([4, 1.3, 1.1]),
    ]


def test_losses_on_scales_of_their_own_have_axes_of_their_own():
    figure = learning_curves(
        {"a": runs(HISTORY), "b": runs(HISTORY.assign(loss=[30, 20, 10]))}, own_losses=True
    )
    first, accuracy, second = figure.axes
    assert [ax.get_ylabel() for ax in (first, second)] == ["loss,\na", "loss,\nb"]
    assert [ax.lines[0].get_ydata()[0] for ax in (first, second)] == [3.0, 30]
    assert accuracy.get_ylabel().startswith("validation")


def test_a_classifier_s_accuracies_stand_before_the_first_epoch():
    start = SimpleNamespace(folder="one", history=HISTORY)
    pretrained = runs(HISTORY, HISTORY, start=start)
    _, right = learning_curves({"a": pretrained, "b": pretrained}).axes
    before = [line for line in right.lines if max(line.get_xdata()) == 0]
    assert [list(line.get_xdata()) for line in before] == [[-2, -1, 0]]
    assert "as a classifier" in right.get_xlabel()


def test_chance_is_left_out_where_it_would_flatten_the_curves():
    high = HISTORY.assign(val_accuracy=[0.6, 0.61, 0.62])
    _, right = learning_curves({"a": runs(high), "b": runs(high)}).axes
    assert [t.get_text() for t in right.texts] == ["a", "b"]
    assert right.get_ylim()[0] > 55
