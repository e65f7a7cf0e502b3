"""Figures of one episode: its images, its distances, the way of its prototypes.

A class is called by a letter, A for the first row, wherever its name has no room.
"""

import string
from textwrap import wrap

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.notebook.explore.episode import Answer, Movement
from fewshot_lib.notebook.style import drawable

_WIDTH, _LABELS = 8.0, 2.1  # inches: of a figure, of the class names beside it
_RIGHT, _WRONG = "✓", "✗"
_UNITS = {
    "euclidean": "squared distance",
    "cosine": "1 − cosine",
    "parametric": "parametric distance",
}


def _letters(n: int) -> list[str]:
    """A, B, …, Z, AA, AB, …"""
    alphabet = string.ascii_uppercase
    return [alphabet[i] if i < 26 else alphabet[i // 26 - 1] + alphabet[i % 26] for i in range(n)]


def _titles(names: list[str], width: int, lines: int = 2) -> list[str]:
    """``A  golden retriever``, in lines of this many characters."""
    found = []
    for letter, name in zip(_letters(len(names)), names, strict=True):
        broken = "\n".join(wrap(drawable(name), width, max_lines=lines, placeholder=" …"))
        found.append(f"{letter}  {broken}".replace("$", r"\$"))  # or $x$ would be a formula
    return found


def _colours(n: int) -> list:
    return sns.color_palette("colorblind", max(n, 1)) if n <= 10 else sns.husl_palette(n)


def episode(
    bank: ImageBank, indices: torch.Tensor, n_shot: int, names: list[str], answer: Answer
) -> Figure:
    """A row for each class: supports, then queries, each with ✓, or ✗ and the class it went to.

    Args:
        indices: int64 ``(n_way, n_shot + n_query)``.
    """
    n_way, n = indices.shape
    size, gap = bank.image_size, bank.image_size // 2
    step = size + size // 8
    canvas = np.zeros((n_way * (size + gap), n * step + gap, 4), np.uint8)  # transparent
    lefts = [j * step + gap * (j >= n_shot) for j in range(n)]
    for i, row in enumerate(bank.images[indices].permute(0, 1, 3, 4, 2).numpy()):
        for left, image in zip(lefts, row, strict=True):
            canvas[i * (size + gap) :][:size, left : left + size, :3] = image
            canvas[i * (size + gap) :][:size, left : left + size, 3] = 255
    width = min(_WIDTH, _LABELS + 0.62 * n)
    height = (width - _LABELS) * canvas.shape[0] / canvas.shape[1] + 0.4
    figure, ax = plt.subplots(figsize=(width, height))
    ax.imshow(canvas)
    ax.grid(False)
    ax.set(xticks=[lefts[0] + size / 2, lefts[n_shot] + size / 2])
    ax.set_xticklabels(["support", "query"])
    ax.set_yticks([i * (size + gap) + size / 2 for i in range(n_way)], _titles(names, 18))
    ax.tick_params(length=0, labelsize=9, labeltop=True, labelbottom=False)
    sns.despine(ax=ax, left=True, bottom=True)
    short = _letters(n_way)
    for i in range(n_way):
        for j, predicted in enumerate(answer.predicted[i].tolist()):
            sign, colour = (_RIGHT, "#00704f") if predicted == i else (_WRONG, "#b02a1a")
            place = lefts[n_shot + j] + size / 2, i * (size + gap) + size + gap * 0.4
            ax.text(
                *place, f"{sign} {short[predicted]}", color=colour, ha="center", va="center", size=9
            )
    return figure


def distances(names: list[str], answer: Answer, distance: str) -> Figure:
    """Queries by prototypes; a frame marks the nearest prototype of each query."""
    n_class, n_query, n_way = answer.distances.shape
    values = answer.distances.flatten(0, 1).numpy()
    short = _letters(n_way)
    signs = [_RIGHT if right else _WRONG for right in answer.correct.flatten().tolist()]
    rows = [
        f"{signs[i * n_query + j]}  {short[i]}{j + 1}"
        for i in range(n_class)
        for j in range(n_query)
    ]
    figure, ax = plt.subplots(figsize=(_WIDTH, 0.26 * len(values) + 1.0))
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    sns.heatmap(
        (values - low) / np.maximum(high - low, 1e-12),
        annot=np.vectorize(_number)(values),
        fmt="",
        annot_kws={"size": 9},
        cmap="mako",
        cbar=False,
        yticklabels=rows,
        xticklabels=_titles(names, 80 // n_way, 4),
        ax=ax,
    )
    for i in range(n_query, len(values), n_query):
        ax.axhline(i, color="white", lw=5)
    for i, nearest in enumerate(answer.predicted.flatten().tolist()):
        ax.add_patch(
            Rectangle((nearest + 0.02, i + 0.1), 0.96, 0.8, fill=False, ec="#ff9f1c", lw=2.2)
        )
    ax.tick_params(labelsize=8.5, rotation=0, length=0)
    ax.set_title(f"{_UNITS[distance]}, framed: the nearest prototype of each query")
    return figure


def _number(value: float) -> str:
    """Three digits or as many as a whole number needs."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def movement(names: list[str], move: Movement) -> Figure:
    """Supports ×, hallucinated ▲, queries as dots, prototypes ★ at the end of their path."""
    figure, ax = plt.subplots(figsize=(_WIDTH, 0.7 * _WIDTH))
    palette = _colours(len(names))
    for i, (colour, letter) in enumerate(zip(palette, _letters(len(names)), strict=True)):
        path = move.path[:, i]
        ax.scatter(*move.query[i].T, marker="o", s=24, color=colour, alpha=0.7, lw=0)
        ax.scatter(*move.support[i].T, marker="x", s=60, color=colour, lw=2.2)
        ax.plot(*path.T, color="black", lw=1.2, marker=".", ms=5, zorder=3)
        ax.scatter(*path[-1], marker="*", s=230, color=colour, ec="black", lw=0.9, zorder=4)
        if len(move.fakes):
            ax.scatter(
                *move.fakes[i].T, marker="^", s=22, color=colour, ec="white", lw=0.4, zorder=5
            )
        offset = {"textcoords": "offset points", "weight": "bold", "size": 10}
        ax.annotate(letter, path[0], (8, 6), **offset, zorder=6)
    low, high = move.corners
    margin = 0.05 * (high - low).clamp_min(1e-9)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.set(xlabel=f"first direction, {100 * move.shares[0]:.0f} % of the variance")
    ax.set(ylabel=f"second direction, {100 * move.shares[1]:.0f} %")
    figure.legend(
        handles=_key(names, palette), loc="outside right upper", frameon=False, fontsize=8
    )
    return figure


def _key(names: list[str], palette: list) -> list[Line2D]:
    """The legend: what the marks mean, then the classes."""
    marks = {"support": "x", "hallucinated": "^", "query": "o", "prototype": "*"}
    handles = [
        Line2D([], [], ls="", marker=mark, color="0.35", label=label)
        for label, mark in marks.items()
    ]
    handles.append(Line2D([], [], color="black", marker=".", lw=1.2, label="path from M = 0"))
    return handles + [
        Line2D([], [], ls="", marker="s", color=colour, label=title)
        for colour, title in zip(palette, _titles(names, 24), strict=True)
    ]
