"""Figures the reader sees. One style for all; every figure is shown with its description."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.experiments.matrix import SeedEvaluations, SeedRuns, mean_history
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.notebook.style import CHANCE, INK, METHODS, QUIET, WIDTH, colours_of, show

_SINGLE = {"lw": 0.8, "alpha": 0.45, "zorder": 1.8}  # a single seed's line, below that of the mean


def learning_curves(runs: Mapping[str, SeedRuns]) -> Figure:
    """Training loss, and validation accuracy with its 95 % band, over epochs.

    The band is that of the validation episodes, which all seeds share. A dashed line shows the
    accuracy of guessing, where all are validated on as many classes.

    Args:
        runs: of several seeds each one is a thin line below their mean; a method's name gives
            its colour.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    figure.get_layout_engine().set(wspace=0.06)
    colours = colours_of(runs)
    ends = [
        _draw_curves(left, right, name, one.histories, colours[name]) for name, one in runs.items()
    ]
    left.set(xlabel="epoch", ylabel="training loss")
    right.set(xlabel="epoch", ylabel="validation accuracy, %")
    every = [history["loss"] for one in runs.values() for history in one.histories]
    _nice_scale(left, pd.concat(every))
    for ax in (left, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
    if len(ends) == 1:
        ends = []  # the title of the page says whose they are
    ways = {one.spec.n_way_test for one in runs.values()}
    if len(ways) == 1:
        chance = 100 / ways.pop()
        right.axhline(chance, color=CHANCE, ls=(0, (4, 3)), lw=1.2)
        ends.append(("chance", right.get_xlim()[1], chance, QUIET))
    _label_ends(right, ends)
    return figure


def _draw_curves(
    left: Axes, right: Axes, name: str, seeds: Sequence[pd.DataFrame], colour: str
) -> tuple[str, float, float, str]:
    """One setting's loss and accuracy; returns what ``_label_ends`` takes."""
    dot = {"color": colour, "label": name, "marker": ".", "markersize": 7, "markeredgewidth": 0}
    history = mean_history(seeds)
    _thin_lines(left, seeds, "loss", colour)
    _thin_lines(right, seeds, "val_accuracy", colour, 100)
    epoch = history["epoch"]
    mean, half = 100 * history["val_accuracy"], 100 * history["val_ci95"]
    left.plot(epoch, history["loss"], **dot)
    right.plot(epoch, mean, **dot)
    right.fill_between(epoch, mean - half, mean + half, color=colour, alpha=0.18, lw=0)
    return name, epoch.iloc[-1], mean.iloc[-1], colour


def _thin_lines(
    ax: Axes, seeds: Sequence[pd.DataFrame], column: str, colour: str, factor: float = 1
) -> None:
    """A line for every seed, where there are several."""
    for history in seeds if len(seeds) > 1 else ():
        ax.plot(history["epoch"], factor * history[column], color=colour, **_SINGLE)


def _nice_scale(ax: Axes, values: pd.Series) -> None:
    """A logarithmic axis where values span more than a factor of five."""
    if values.min() <= 0 or values.max() <= 5 * values.min():
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def _label_ends(ax: Axes, ends: list[tuple[str, float, float, str]], size: float = 8.5) -> None:
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
    for (name, x, y, colour), height in zip(ends, _apart(heights, line), strict=True):
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


def _apart(heights: list[float], gap: float) -> list[float]:
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
    from fewshot_lib.data.vision import torchvision  # takes a second, most figures do without

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
    ax.collections[0].colorbar.solids.set_rasterized(False)  # else it is no drawing but a picture
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(labelsize=8, length=0)
    return figure


def losses(runs: SeedRuns, names: Mapping[str, str], method: str = "Problem 3") -> Figure:
    """Each loss of the history in a panel of its own, over epochs.

    Args:
        runs: of several seeds each one is a thin line below their mean.
        names: column to title.
        method: whose history it is; gives the colour.
    """
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.4), squeeze=False)
    seeds, colour = runs.histories, METHODS[method]
    mean = mean_history(seeds)
    for ax, (column, title) in zip(axes.flat, names.items(), strict=True):
        _thin_lines(ax, seeds, column, colour)
        ax.plot(mean["epoch"], mean[column], color=colour, marker=".", ms=6)
        ax.set(title=title, xlabel="epoch")
        ax.tick_params(labelsize=8)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure


def seeds_and_means(
    judged: Mapping[Any, SeedEvaluations], x: str, method: str = "Problem 1"
) -> Figure:
    """Every seed's accuracy as a point with its 95 % interval, the mean over seeds as a bar.

    Args:
        judged: value on the horizontal axis to what is judged.
        x: what these values are, the axis' label.
        method: gives the bars' colour where ``judged`` is not by method.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.0))
    point = {"fmt": "o", "ms": 5, "capsize": 3, "lw": 1.4, "color": QUIET}
    for i, (value, evaluations) in enumerate(judged.items()):
        seeds = [100 * torch.tensor(e.accuracy[:2]) for e in evaluations.seeds]
        means, halves = torch.stack(seeds).T
        offsets = [i + 0.08 * (j - (len(seeds) - 1) / 2) for j in range(len(seeds))]
        ax.errorbar(offsets, means, halves, **point)
        colour = METHODS.get(value, METHODS[method])
        ax.hlines(means.mean(), i - 0.25, i + 0.25, color=colour, lw=2.2, zorder=0)
    ax.set_xticks(range(len(judged)), [str(value) for value in judged])
    ax.set(xlabel=x, ylabel="accuracy, %")
    ax.grid(False, axis="x")
    return figure


def show_seeds(judged: Mapping[Any, SeedEvaluations], x: str, method: str = "Problem 1") -> None:
    """Display ``seeds_and_means`` of these settings, if they have more than one seed."""
    if all(len(evaluations.seeds) == 1 for evaluations in judged.values()):
        return
    show(
        seeds_and_means(judged, x, method),
        alt=f"Accuracy of every seed of {', '.join(map(str, judged))} with 95 % intervals.",
        caption="Each point is one seed with its 95 % interval over episodes, each bar the mean "
        "over seeds.",
    )
