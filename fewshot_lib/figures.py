"""Figures the reader sees. One style for all; every figure is shown with its description."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from fewshot_lib.data import ImageBank
from fewshot_lib.evaluation import Evaluation
from fewshot_lib.seeded import SeedEvaluations, mean_history

WIDTH = 8.0  # inches, the text width of the report
SCREEN_DPI = 100
LARGEST_SVG = 150_000  # bytes; a larger drawing is shown as pixels if these are fewer

# Told apart by readers with colour-blindness, and dark enough for lines and text on white.
METHODS = {
    "Problem 1": "#0173b2",
    "Problem 2": "#b25e00",
    "Problem 3": "#00805c",
    "AFHN": "#9b4f96",
    "Mixed": "#5f5f1f",
}
OTHERS = ["#3d3d3d", "#d1335b", "#16808c", "#8a5a2b", "#6a51a3", "#5f7d1f"]  # settings compared
QUANTITY = ["#c2592e", "#a01a58", "#2d1e6b"]  # from small to large values
CLASSES = [
    "#0173b2",
    "#d55e00",
    "#029e73",
    "#cc78bc",
    "#4d4d4d",
    "#b8860b",
    "#2a9aa8",
    "#8a5a2b",
]
MARKERS = {"real": "x", "hallucinated": "^", "prototype": "*"}
INK, QUIET, CHANCE = "#1d2430", "#5c6675", "#8a8f98"  # text, lesser text, reference lines
FONTS = ["DejaVu Sans", "Verdana", "Segoe UI", "Helvetica", "Arial"]  # much alike in width


def use_style() -> None:
    """The style of every figure: call it once at the top of a notebook."""
    sns.set_theme(context="notebook", style="whitegrid", palette=OTHERS, font_scale=0.85)
    plt.rcParams |= {
        "figure.dpi": SCREEN_DPI,
        "figure.constrained_layout.use": True,
        "font.sans-serif": FONTS,
        "svg.fonttype": "none",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "axes.edgecolor": "#c4c9d0",
        "axes.linewidth": 0.8,
        "grid.color": "#e6e9ed",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10.5,
        "lines.linewidth": 1.8,
    }


def show(figure: Figure, alt: str, caption: str = "") -> None:
    """Display the figure with alternative text: as SVG if that is small or smaller than the PNG.

    Args:
        alt: what the figure shows, for readers who cannot see it.
        caption: printed below it.

    Raises:
        ValueError: there is no alternative text.
    """
    if not alt.strip():
        raise ValueError("a figure needs an alternative text: say what it shows")
    width = round(figure.get_figwidth() * SCREEN_DPI)
    kind, data = "image/svg+xml", svg(figure, salt=f"{alt} {caption}")
    size = len(data.encode())
    if size > LARGEST_SVG and size > 4 / 3 * len(pixels := png(figure)):  # base64 takes a third
        kind, data = "image/png", pixels
    about = {kind: {"alt": alt, "caption": caption, "width": width}}
    display({kind: data, "text/plain": alt}, raw=True, metadata=about)
    plt.close(figure)


def svg(figure: Figure, salt: str) -> str:
    """The figure as an ``<svg>`` element to put into a page: the same drawing, the same text.

    Args:
        salt: what the ids are made from, so that those of two figures on a page differ.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with plt.rc_context({"svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    used = set(re.findall(r"#([\w.-]+)", text))
    return re.sub(r' id="([\w.-]+)"', lambda m: m[0] if m[1] in used else "", text)


def png(figure: Figure) -> bytes:
    """The figure in pixels, at twice its size on screen."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=2 * SCREEN_DPI, metadata={"Software": None})
    return buffer.getvalue()


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name: a method's own, from light to dark for values of one quantity.

    Names like "K = 5" are such values.
    """
    names = list(names)
    if all(re.search(r"= *[\d.]+$", name) for name in names):
        return dict(zip(names, sns.blend_palette(QUANTITY, len(names)).as_hex(), strict=True))
    others = iter(OTHERS * len(names))
    return {name: METHODS.get(name) or next(others) for name in names}


Histories = pd.DataFrame | Sequence[pd.DataFrame]  # of one run, or of a setting's seeds
SINGLE = {"lw": 0.8, "alpha": 0.45, "zorder": 1.8}  # a single seed's line, below that of the mean


def learning_curves(histories: Mapping[str, Histories], chance: float | None = None) -> Figure:
    """Training loss, and validation accuracy with its 95 % band, over epochs.

    The band is that of the validation episodes, which all seeds share.

    Args:
        histories: name of the run to its history, or to those of several seeds: they are thin
            lines then, below their mean; a method's name gives its colour.
        chance: accuracy of guessing, 0 to 1.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    figure.get_layout_engine().set(wspace=0.06)
    colours, ends = colours_of(histories), []
    dot = {"marker": ".", "markersize": 7, "markeredgewidth": 0}
    for name, of_seeds in histories.items():
        seeds, colour = as_seeds(of_seeds), colours[name]
        history = mean_history(seeds)
        thin_lines(left, seeds, "loss", colour)
        thin_lines(right, seeds, "val_accuracy", colour, 100)
        epoch = history["epoch"]
        mean, half = 100 * history["val_accuracy"], 100 * history["val_ci95"]
        left.plot(epoch, history["loss"], color=colour, label=name, **dot)
        right.plot(epoch, mean, color=colour, label=name, **dot)
        right.fill_between(epoch, mean - half, mean + half, color=colour, alpha=0.18, lw=0)
        ends.append((name, epoch.iloc[-1], mean.iloc[-1], colour))
    left.set(xlabel="epoch", ylabel="training loss")
    right.set(xlabel="epoch", ylabel="validation accuracy, %")
    every = [history for of_seeds in histories.values() for history in as_seeds(of_seeds)]
    nice_scale(left, pd.concat([history["loss"] for history in every]))
    for ax in (left, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
    if len(ends) == 1:
        ends = []  # the title of the page says whose they are
    if chance is not None:
        right.axhline(100 * chance, color=CHANCE, ls=(0, (4, 3)), lw=1.2)
        ends.append(("chance", right.get_xlim()[1], 100 * chance, QUIET))
    label_ends(right, ends)
    return figure


def as_seeds(histories: Histories) -> Sequence[pd.DataFrame]:
    return [histories] if isinstance(histories, pd.DataFrame) else histories


def thin_lines(
    ax: Axes, seeds: Sequence[pd.DataFrame], column: str, colour: str, factor: float = 1
) -> None:
    """A line for every seed, where there are several."""
    for history in seeds if len(seeds) > 1 else ():
        ax.plot(history["epoch"], factor * history[column], color=colour, **SINGLE)


def nice_scale(ax: Axes, values: pd.Series) -> None:
    """A logarithmic axis where values span more than a factor of five."""
    if values.min() <= 0 or values.max() <= 5 * values.min():
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def label_ends(ax: Axes, ends: list[tuple[str, float, float, str]], size: float = 8.5) -> None:
    """Write names right of the axes at the heights where lines end, moved apart where they meet.

    Args:
        ends: name, x and y of the line's end, colour.
    """
    ax.set_xlim(ax.get_xlim())  # what is written must not move what it is written beside
    ax.set_ylim(ax.get_ylim())
    ax.figure.draw_without_rendering()  # the layout decides how high the axes are
    line = 1.3 * size / 72 * ax.figure.dpi / ax.bbox.height
    to_axes = ax.transData + ax.transAxes.inverted()
    heights = [to_axes.transform((x, y))[1] for _, x, y, _ in ends]
    for (name, x, y, colour), height in zip(ends, apart(heights, line), strict=True):
        ax.annotate(
            name,
            (x, y),
            (1.07, height),
            textcoords="axes fraction",
            color=colour,
            fontsize=size,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkA": 1, "shrinkB": 4},
            annotation_clip=False,
        )


def apart(heights: list[float], gap: float) -> list[float]:
    """The heights, moved as little as it takes for neighbours to be ``gap`` apart.

    Labels that meet form a block around the mean of their heights, as in isotonic regression.
    """
    order = np.argsort(heights, kind="stable")
    blocks: list[list[float]] = []  # of heights less their place times the gap
    for place, i in enumerate(order):
        blocks.append([heights[i] - place * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    moved = [np.mean(block) for block in blocks for _ in block]
    found = [0.0] * len(heights)
    for place, i in enumerate(order):
        found[i] = float(moved[place] + place * gap)
    return found


def episode_grid(bank: ImageBank, episode: torch.Tensor, n_shot: int, n_query: int = 6) -> Figure:
    """One row per class: its support images, a gap, then some of its query images."""
    from fewshot_lib.vision import torchvision  # takes a second, most figures do without

    n_query = min(n_query, episode.shape[1] - n_shot)
    side = min(0.6, 6 / (n_shot + n_query))  # of an image, in inches
    figure, axes = plt.subplots(
        1, 2, figsize=(WIDTH, side * len(episode) + 0.4), width_ratios=(n_shot, n_query)
    )
    parts = episode[:, :n_shot], episode[:, n_shot : n_shot + n_query]
    for ax, part, title in zip(axes, parts, ("support", "query"), strict=True):
        grid = torchvision.utils.make_grid(
            bank.images[part.flatten()], nrow=part.shape[1], padding=2, pad_value=255
        )
        # Without interpolation an SVG holds the images' own pixels.
        ax.imshow(grid.permute(1, 2, 0).numpy(), interpolation="none")
        ax.set(title=title, xticks=[], yticks=[])
        ax.grid(False)
        ax.set_anchor("E" if title == "support" else "W")
        sns.despine(ax=ax, left=True, bottom=True)
    step = bank.image_size + 2
    names = [bank.class_names[bank.labels[row[0]]] for row in episode]
    axes[0].set_yticks([step * (i + 0.5) for i in range(len(names))], names, fontsize=9)
    axes[0].tick_params(length=0, labelcolor=INK)
    return figure


def confusion(evaluation: Evaluation | SeedEvaluations, bank: ImageBank) -> Figure:
    """Share of each true class's queries that went to each class, in %."""
    counts = evaluation.confusion(bank).double()
    share = 100 * counts / counts.sum(1, keepdim=True)
    figure, ax = plt.subplots(figsize=(WIDTH, 0.8 * WIDTH))
    sns.heatmap(
        pd.DataFrame(share.numpy(), bank.class_names, bank.class_names),
        annot=True,
        fmt=".0f",
        annot_kws={"size": 7},
        cmap="mako_r",
        square=True,
        ax=ax,
        cbar_kws={"label": "share of the true class's queries, %", "shrink": 0.7},
    )
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(labelsize=8, length=0)
    return figure


def losses(history: Histories, names: Mapping[str, str], method: str = "Problem 3") -> Figure:
    """Each loss of the history in a panel of its own, over epochs.

    Args:
        history: of a run, or of several seeds: thin lines below their mean.
        names: column to title.
        method: whose history it is; gives the colour.
    """
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.4), squeeze=False)
    seeds, colour = as_seeds(history), METHODS[method]
    mean = mean_history(seeds)
    for ax, (column, title) in zip(axes.flat, names.items(), strict=True):
        thin_lines(ax, seeds, column, colour)
        ax.plot(mean["epoch"], mean[column], color=colour, marker=".", ms=6)
        ax.set(title=title, xlabel="epoch")
        ax.tick_params(labelsize=8)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure
