"""Drawings that explain a method."""

from itertools import pairwise

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from fewshot_lib.notebook.style import INK, QUIET, WIDTH

LEARNS, RESTS, THING, LOSS = "#cfe8d5", "#e8e8e8", "#ffffff", "#fbe3c8"
NODE = tuple[float, str, str]  # x position, text, colour

STEPS: dict[str, tuple[list[NODE], list[NODE]]] = {
    "1  Extractor learns": (
        [
            (0, "images", THING),
            (1, "Extractor", LEARNS),
            (2, "real\nfeatures", THING),
            (4, "classification loss\nof real queries", LOSS),
        ],
        [
            (1, "noise", THING),
            (2, "Generator", RESTS),
            (3, "fakes", THING),
            (4, "λ · classification loss\nof fake queries", LOSS),
        ],
    ),
    "2  Generator learns": (
        [
            (0, "images", THING),
            (1, "Extractor", RESTS),
            (2, "real\nfeatures", THING),
            (3, "Discriminator", RESTS),
            (4, "loss of\nfooling it", LOSS),
        ],
        [
            (1, "2 noises", THING),
            (2, "Generator", LEARNS),
            (3, "2 fakes", THING),
            (4, "diversity losses:\ncosine, Euclidean", LOSS),
        ],
    ),
    "3  Discriminator learns": (
        [
            (0, "images", THING),
            (1, "Extractor", RESTS),
            (2, "real\nfeatures", THING),
            (3, "Discriminator", LEARNS),
            (4, "loss of telling\nreal from fake", LOSS),
        ],
        [(1, "noise", THING), (2, "Generator", RESTS), (3, "fakes", THING)],
    ),
}
# Vertical arrows of each step: (x, from the upper row, or else from the lower one).
CROSSINGS = {
    "1  Extractor learns": [(2, True)],
    "2  Generator learns": [(2, True), (3, False)],
    "3  Discriminator learns": [(2, True), (3, False)],
}
UPPER, LOWER = 1.0, 0.0


def training_step() -> Figure:
    """The three steps of the original's adversarial training on one episode."""
    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 6.2))
    for ax, (title, rows) in zip(axes, STEPS.items(), strict=True):
        ax.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
        ax.set(xlim=(-0.5, 4.6), ylim=(-0.5, 1.5))
        ax.axis("off")
        for y, row in zip((UPPER, LOWER), rows, strict=True):
            draw_row(ax, y, row)
        for x, down in CROSSINGS[title]:
            draw_arrow(ax, (x, UPPER - 0.3), (x, LOWER + 0.3), down)
    return figure


def draw_row(ax: Axes, y: float, row: list[NODE]) -> None:
    """Boxes from left to right, an arrow from each to the next."""
    for x, text, colour in row:
        width = 0.86 if x == 4 else 0.68
        box = FancyBboxPatch(
            (x - width / 2, y - 0.26), width, 0.52, "round,pad=0.03", fc=colour, ec=QUIET, lw=0.8
        )
        ax.add_patch(box)
        ax.text(x, y, text, ha="center", va="center", fontsize=8, color=INK)
    for (left, *_), (right, *_) in pairwise(row):
        draw_arrow(ax, (left + 0.38, y), (right - (0.47 if right == 4 else 0.38), y), True)


def draw_arrow(ax: Axes, start: tuple, end: tuple, forward: bool) -> None:
    style = {"arrowstyle": "->" if forward else "<-", "color": QUIET, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style)
