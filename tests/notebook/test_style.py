"""How figures reach the page: described, as drawing or as pixels, in fixed colours."""

import re

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb

from fewshot_lib.notebook import style


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


def test_values_of_one_quantity_are_ordered_from_light_to_dark():
    colours = style.colours_of([f"K = {k}" for k in (1, 5, 10, 20)])
    brightness = [sum(to_rgb(colour)) for colour in colours.values()]
    assert brightness == sorted(brightness, reverse=True)
    assert len(set(colours.values())) == 4


def test_more_names_than_colours_can_be_drawn():
    assert len(style.colours_of([f"setting {c}" for c in "abcdefghij"])) == 10


@pytest.mark.parametrize(
    "name", ["prototypical", "hallucination", "adversarial", "adversarial_step"]
)
def test_drawings_are_shown_with_their_width(shown, name):
    style.show_drawing(name, alt="a network")
    ((data, metadata),) = shown
    assert re.match(r"<svg [^>]*viewBox", data["image/svg+xml"])
    assert metadata["image/svg+xml"]["width"] == 800


def test_labels_of_figures_hold_only_what_the_font_draws(recwarn):
    names = ["猫", "🦊 fox", "_unknown_", "a$b$c", "\udcff"]
    figure, ax = plt.subplots()
    for name in names:
        ax.plot([0, 1], label=style.label(name))
    legend = ax.legend()
    ax.set_yticks(range(len(names)), [style.label(name) for name in names])
    figure.canvas.draw()
    assert [text.get_text() for text in legend.get_texts()] == [
        "\\u732b",
        "\\U0001f98a fox",
        "\u200b_unknown_",
        r"a\$b\$c",
        "\\udcff",
    ]
    assert not [w for w in recwarn if "lyph" in str(w.message)]
    plt.close(figure)


def test_panels_of_like_width_may_be_parted(shown):
    def cuts(**layout) -> list[float] | None:
        figure, axes = plt.subplots(1, 2, **layout)
        axes[0].plot([1, 2])
        style.show(figure, alt="two panels")
        return shown.pop()[1]["image/svg+xml"].get("cuts")

    (cut,) = cuts()
    assert 0.4 < cut < 0.6
    assert cuts(width_ratios=(9, 1)) is None
