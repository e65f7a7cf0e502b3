"""Figures the reader sees. One style for all; every figure is shown with its description."""

import io
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from fewshot_lib.data import ImageBank
from fewshot_lib.evaluation import Evaluation
from fewshot_lib.vision import torchvision

WIDTH = 8.0  # inches, the text width of the report
SCREEN_DPI = 100
PALETTE = "colorblind"
LEGEND = {"frameon": False, "fontsize": 9}
CHANCE = "0.6"  # grey of reference lines


def use_style() -> None:
    """The style of every figure: call it once at the top of a notebook."""
    sns.set_theme(context="notebook", style="whitegrid", palette=PALETTE)
    plt.rcParams |= {
        "figure.dpi": SCREEN_DPI,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }


def show(figure: Figure, alt: str, caption: str = "") -> None:
    """Display the figure as PNG at twice its size on screen, with alternative text.

    Args:
        alt: what the figure shows, for readers who cannot see it.
        caption: printed below it.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=2 * SCREEN_DPI)
    width = round(figure.get_figwidth() * SCREEN_DPI)
    about = {"image/png": {"alt": alt, "caption": caption, "width": width}}
    display({"image/png": buffer.getvalue(), "text/plain": alt}, raw=True, metadata=about)
    plt.close(figure)


def learning_curves(histories: Mapping[str, pd.DataFrame], chance: float | None = None) -> Figure:
    """Training loss, and validation accuracy with its 95 % band, over epochs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    for name, history in histories.items():
        left.plot(history["epoch"], history["loss"], marker=".", label=name)
        mean, half = 100 * history["val_accuracy"], 100 * history["val_ci95"]
        (line,) = right.plot(history["epoch"], mean, marker=".", label=name)
        right.fill_between(
            history["epoch"], mean - half, mean + half, color=line.get_color(), alpha=0.2, lw=0
        )
    left.set(xlabel="epoch", ylabel="training loss")
    losses = pd.concat([history["loss"] for history in histories.values()])
    if losses.max() > 5 * losses.min():
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_locator(NullLocator())
    right.set(xlabel="epoch", ylabel="validation accuracy, %")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    if chance is not None:
        right.axhline(100 * chance, color=CHANCE, ls="--", lw=1)
        right.annotate("chance", (1, 100 * chance), color="0.4", va="bottom", fontsize=9)
    if len(histories) > 1:
        shared_legend(figure, right)
    return figure


def episode_grid(bank: ImageBank, episode: torch.Tensor, n_shot: int, n_query: int = 6) -> Figure:
    """One row per class: its support images, a gap, then some of its query images."""
    n_query = min(n_query, episode.shape[1] - n_shot)
    figure, axes = plt.subplots(
        1, 2, figsize=(WIDTH, 0.62 * len(episode) + 0.4), width_ratios=(max(n_shot, 1), n_query)
    )
    parts = episode[:, :n_shot], episode[:, n_shot : n_shot + n_query]
    for ax, part, title in zip(axes, parts, ("support", "query"), strict=True):
        grid = torchvision.utils.make_grid(
            bank.images[part.flatten()], nrow=part.shape[1], padding=2, pad_value=255
        )
        ax.imshow(grid.permute(1, 2, 0).numpy())
        ax.set(title=title, xticks=[], yticks=[])
        ax.grid(False)
        sns.despine(ax=ax, left=True, bottom=True)
    side = bank.image_size + 2
    names = [bank.class_names[bank.labels[row[0]]] for row in episode]
    axes[0].set_yticks([side * (i + 0.5) for i in range(len(names))], names, fontsize=9)
    return figure


def confusion(evaluation: Evaluation, bank: ImageBank) -> Figure:
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
    ax.tick_params(labelsize=8)
    return figure


MARKERS = {"real": "X", "hallucinated": "^"}


def feature_maps(maps: Mapping[str, pd.DataFrame], columns: int = 2) -> Figure:
    """t-SNE maps side by side: a colour for each class, × real, ▲ hallucinated.

    Args:
        maps: panel title to the frame of ``feature_space.tsne``.
    """
    rows = -(-len(maps) // columns)
    side = WIDTH / columns
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * side + 0.5), squeeze=False)
    for ax in axes.flat[len(maps) :]:
        ax.remove()
    for ax, (title, frame) in zip(axes.flat, maps.items(), strict=False):
        colours = dict(zip(frame["class"].unique(), sns.color_palette(), strict=False))
        sns.scatterplot(
            frame.iloc[::-1],  # real ones are drawn last, on top
            x="x",
            y="y",
            hue="class",
            palette=colours,
            style="kind",
            markers=MARKERS,
            s=36,
            alpha=0.8,
            linewidth=0.3,
            ax=ax,
            legend=False,
        )
        ax.set(title=title, xlabel="", ylabel="", xticks=[], yticks=[])
        sns.despine(ax=ax, left=True, bottom=True)
    figure.legend(handles=legend_of_classes(colours), loc="outside lower center", ncols=3, **LEGEND)
    return figure


def legend_of_classes(colours: Mapping[str, tuple]) -> list[Line2D]:
    """One dot for each class, then one marker for each kind, in grey."""
    plain = {"linestyle": "", "markersize": 7}
    dots = [Line2D([], [], color=c, marker="o", label=n, **plain) for n, c in colours.items()]
    kinds = [Line2D([], [], color="0.3", marker=m, label=k, **plain) for k, m in MARKERS.items()]
    return dots + kinds


def shared_legend(figure: Figure, ax: plt.Axes, columns: int = 4) -> None:
    """Move the legend of one panel below the figure, where it covers no data."""
    handles, labels = ax.get_legend_handles_labels()
    columns = min(len(labels), columns)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, **LEGEND)


def seeds_and_means(frame: pd.DataFrame, x: str, y: str = "accuracy") -> Figure:
    """Every seed's accuracy as a point with its 95 % interval, the mean over seeds as a bar.

    Args:
        frame: columns ``x``, ``y`` and ``ci95``; accuracies in %.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    values = list(frame[x].unique())
    for i, value in enumerate(values):
        rows = frame[frame[x] == value]
        offsets = [i + 0.08 * (j - (len(rows) - 1) / 2) for j in range(len(rows))]
        ax.errorbar(offsets, rows[y], rows["ci95"], fmt="o", ms=5, capsize=3, color="C0")
        ax.hlines(rows[y].mean(), i - 0.25, i + 0.25, color="C1", lw=2, zorder=0)
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    ax.set(xlabel=x, ylabel="accuracy, %")
    ax.grid(False, axis="x")
    return figure


def losses(history: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Each loss of the history in a panel of its own, over epochs.

    Args:
        names: column to title.
    """
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.6), squeeze=False)
    for ax, (column, title) in zip(axes.flat, names.items(), strict=True):
        ax.plot(history["epoch"], history[column], marker=".")
        ax.set_title(title, fontsize=10)
        ax.set(xlabel="epoch")
        ax.tick_params(labelsize=8)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure
