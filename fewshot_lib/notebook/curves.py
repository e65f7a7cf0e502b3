"""Curves over epochs: losses, and validation accuracy with its band."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from scipy.optimize import isotonic_regression

from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.notebook.style import CHANCE, METHODS, QUIET, WIDTH, colours_of

_SINGLE = {"lw": 0.8, "alpha": 0.45, "zorder": 1.8}  # a single seed's line, below that of the mean
_DOT = {"marker": ".", "markersize": 7, "markeredgewidth": 0}

_End = tuple[str, float, float, str]  # what ``_label_ends`` takes: name, x and y, colour


def learning_curves(runs: Mapping[str, SeedRuns], own_losses: bool = False) -> Figure:
    """Training loss, and validation accuracy with its 95 % band, over epochs.

    The band is that of the validation episodes, which all seeds share. Where runs start from a
    classifier, its accuracies stand before epoch 1. A dashed line shows the accuracy of guessing,
    where all are validated on as many classes and it is not far below the curves.

    Args:
        runs: of several seeds each one is a thin line below their mean; a method's name gives
            its colour.
        own_losses: whether each setting's loss has axes of its own, as losses on different scales
            need.
    """
    rows = [f"loss {i}" for i in range(len(runs) if own_losses else 1)]
    figure, axes = plt.subplot_mosaic([[row, "accuracy"] for row in rows], figsize=(WIDTH, 3.2))
    figure.get_layout_engine().set(wspace=0.06)
    left, right = [axes[row] for row in rows], axes["accuracy"]
    colours = colours_of(runs)
    for i, (name, one) in enumerate(runs.items()):
        _draw_loss(left[i % len(left)], name, one, colours[name])
    _finish_losses(left, runs, own_losses)
    ends = [_draw_accuracy(right, name, one, colours[name]) for name, one in runs.items()]
    ends = ends if len(ends) > 1 else []  # the title of the page says whose they are
    right.set(xlabel="epoch", ylabel="validation accuracy, %")
    _draw_pretraining(right, runs.values())
    ends += _draw_chance(right, runs.values())
    for ax in (*left, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
    _label_ends(right, ends)
    return figure


def _draw_loss(ax: Axes, name: str, runs: SeedRuns, colour: str) -> None:
    history = runs.history
    _thin_lines(ax, runs, "loss", colour)
    ax.plot(history["epoch"], history["loss"], color=colour, label=name, **_DOT)


def _finish_losses(axes: Sequence[Axes], runs: Mapping[str, SeedRuns], own: bool) -> None:
    """Scales and labels of the axes with losses."""
    values = [pd.concat(one.histories)["loss"] for one in runs.values()]
    for ax, name, shown in zip(axes, runs, values if own else [pd.concat(values)], strict=False):
        _nice_scale(ax, shown)
        if own:
            ax.set_ylabel(f"loss,\n{name}", fontsize=8)
            ax.tick_params(labelsize=8, labelbottom=ax is axes[-1])
    axes[-1].set_xlabel("epoch")
    if not own:
        axes[0].set_ylabel("training loss")


def _draw_accuracy(ax: Axes, name: str, runs: SeedRuns, colour: str) -> _End:
    history = runs.history
    _thin_lines(ax, runs, "val_accuracy", colour, 100)
    epoch = history["epoch"]
    mean, half = 100 * history["val_accuracy"], 100 * history["val_ci95"]
    ax.plot(epoch, mean, color=colour, label=name, **_DOT)
    ax.fill_between(epoch, mean - half, mean + half, color=colour, alpha=0.18, lw=0)
    return name, epoch.iloc[-1], mean.iloc[-1], colour


def _draw_pretraining(ax: Axes, runs: Iterable[SeedRuns]) -> None:
    """Validation accuracy of the classifiers that runs start from, before their first epoch."""
    starts = {start.folder: start.history for one in runs for start in one.pretrainings}
    for history in starts.values():
        epoch = history["epoch"] - len(history)
        ax.plot(epoch, 100 * history["val_accuracy"], color=QUIET, lw=1.2)
    if starts:
        ax.axvline(0.5, color=QUIET, lw=0.8)
        ax.set_xlabel("epoch; up to 0 as a classifier")


def _draw_chance(ax: Axes, runs: Iterable[SeedRuns]) -> list[_End]:
    """The accuracy of guessing, if showing it leaves the curves half of the height."""
    ways = {one.spec.n_way_test for one in runs}
    low, high = ax.get_ylim()
    if len(ways) > 1 or low - 100 / max(ways) > high - low:
        return []
    chance = 100 / ways.pop()
    ax.axhline(chance, color=CHANCE, ls=(0, (4, 3)), lw=1.2)
    return [("chance", ax.get_xlim()[1], chance, QUIET)]


def _thin_lines(ax: Axes, runs: SeedRuns, column: str, colour: str, factor: float = 1) -> None:
    """A line for every seed, where there are several."""
    for history in runs.histories if len(runs.seeds) > 1 else ():
        ax.plot(history["epoch"], factor * history[column], color=colour, **_SINGLE)


def losses(runs: SeedRuns, names: Mapping[str, str], method: str = "Problem 3") -> Figure:
    """Each loss of the history in a panel of its own, over epochs.

    Args:
        runs: of several seeds each one is a thin line below their mean.
        names: column to title.
        method: whose history it is; gives the colour.
    """
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.4), squeeze=False)
    colour, mean = METHODS[method], runs.history
    for ax, (column, title) in zip(axes.flat, names.items(), strict=True):
        _thin_lines(ax, runs, column, colour)
        ax.plot(mean["epoch"], mean[column], color=colour, marker=".", ms=6)
        ax.set(title=title, xlabel="epoch")
        ax.tick_params(labelsize=8)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _nice_scale(ax: Axes, values: pd.Series) -> None:
    """A logarithmic axis where values span more than a factor of five."""
    if values.min() <= 0 or values.max() <= 5 * values.min():
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def _label_ends(ax: Axes, ends: list[_End], size: float = 8.5) -> None:
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

    Labels that meet form a block around the mean of their heights. It is isotonic regression: with
    the gaps below each label taken away, heights must not fall from one label to the next.
    """
    order = np.argsort(heights, kind="stable")
    gaps_below = gap * np.arange(len(order))
    found = np.empty(len(order))
    found[order] = isotonic_regression(np.array(heights)[order] - gaps_below).x + gaps_below
    return found.tolist()
