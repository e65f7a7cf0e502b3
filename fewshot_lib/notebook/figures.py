"""Figures the reader sees. One style for all; every figure is shown with its description."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.experiments.matrix import SeedEvaluations
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.networks.calibration import CALIBRATED
from fewshot_lib.notebook.classes import class_words
from fewshot_lib.notebook.moves import Arrows
from fewshot_lib.notebook.style import CLASSES, INK, MARKERS, METHODS, QUIET, WIDTH, label, show


def episode_grid(bank: ImageBank, episode: torch.Tensor, n_shot: int, n_query: int = 6) -> Figure:
    """One row per class: its support images, a gap, then some of its query images."""
    from fewshot_lib.data.vision import torchvision  # takes a second, most figures do without

    n_query = min(n_query, episode.shape[1] - n_shot)
    side = min(0.6, 6 / (n_shot + n_query))  # of an image, in inches
    size = min(WIDTH, side * (n_shot + n_query) + 2), side * len(episode) + 0.4
    figure, axes = plt.subplots(1, 2, figsize=size, width_ratios=(n_shot, n_query))
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
    words = class_words(bank)
    names = [label(words[bank.class_names[bank.labels[row[0]]]]) for row in episode]
    axes[0].set_yticks([step * (i + 0.5) for i in range(len(names))], names, fontsize=9)
    axes[0].tick_params(length=0, labelcolor=INK)
    return figure


def confusion(evaluation: Evaluation | SeedEvaluations, bank: ImageBank) -> Figure:
    """Share of each true class's queries that went to each class, in %."""
    counts = evaluation.confusion(bank).double()
    share = 100 * counts / counts.sum(1, keepdim=True)
    words = [label(word) for word in class_words(bank).values()]
    figure, ax = plt.subplots(figsize=(WIDTH, 0.8 * WIDTH))
    sns.heatmap(
        pd.DataFrame(share.numpy(), words, words),
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


def result(accuracies: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """Each method's accuracy with its 95 % interval, a row for each method.

    Args:
        accuracies: set of classes to accuracies by method; the first is drawn filled.
    """
    methods = list(next(iter(accuracies.values())))
    figure, ax = plt.subplots(figsize=(0.6 * WIDTH, 0.6 + 0.34 * len(methods)))
    for i, (classes, by_method) in enumerate(accuracies.items()):
        for row, (name, accuracy) in enumerate(by_method.items()):
            colour = METHODS.get(name.removesuffix(CALIBRATED), INK)
            marker = {"mfc": "white" if i else colour, "label": None if row else classes}
            bar = {"xerr": 100 * accuracy.ci95, "fmt": "o", "ms": 6, "capsize": 3, "color": colour}
            ax.errorbar(100 * accuracy.mean, row + 0.18 * i, **bar, **marker)
    ax.set_yticks([0.09 * (len(accuracies) - 1) + i for i in range(len(methods))], methods)
    ax.invert_yaxis()
    ax.set(xlabel="accuracy, %")
    ax.grid(False, axis="y")
    if len(accuracies) > 1:
        ax.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def moves(arrows: Arrows) -> Figure:
    """Where hallucination moves prototypes: an arrow from each single shot to its mixed one."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    for i, name in enumerate(arrows.names):
        colour = CLASSES[i % len(CLASSES)]
        start, step = arrows.single[i], arrows.mixed[i] - arrows.single[i]
        ax.scatter(*start.T, marker=MARKERS["real"], s=28, color=colour, lw=1.4)
        arrow = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.003, "alpha": 0.8}
        ax.quiver(*start.T, *step.T, color=colour, **arrow)
        ax.update_datalim(arrows.mixed[i])  # matplotlib counts an arrow's start alone
        star = {"s": 170, "edgecolor": INK, "lw": 0.8, "zorder": 3}
        ax.scatter(
            *arrows.means[i], marker=MARKERS["prototype"], color=colour, label=label(name), **star
        )
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.axis("off")
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
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
    figure, ax = plt.subplots(figsize=(0.6 * WIDTH, 3.0))
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
