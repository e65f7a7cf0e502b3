"""Every seed's accuracy beside the mean over seeds."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from fewshot_lib.figures import METHODS, QUIET, WIDTH, show
from fewshot_lib.seeded import SeedEvaluations, accuracies


def seeds_and_means(
    frame: pd.DataFrame, x: str, y: str = "accuracy", method: str = "Problem 2"
) -> Figure:
    """Every seed's accuracy as a point with its 95 % interval, the mean over seeds as a bar.

    Args:
        frame: columns ``x``, ``y`` and ``ci95``; accuracies in %.
        method: gives the bars' colour where ``x`` does not name methods.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.0))
    values = list(frame[x].unique())
    point = {"fmt": "o", "ms": 5, "capsize": 3, "lw": 1.4, "color": QUIET}
    for i, value in enumerate(values):
        rows = frame[frame[x] == value]
        offsets = [i + 0.08 * (j - (len(rows) - 1) / 2) for j in range(len(rows))]
        ax.errorbar(offsets, rows[y], rows["ci95"], **point)
        colour = METHODS.get(value, METHODS[method])
        ax.hlines(rows[y].mean(), i - 0.25, i + 0.25, color=colour, lw=2.2, zorder=0)
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    ax.set(xlabel=x, ylabel=f"{y}, %")
    ax.grid(False, axis="x")
    return figure


def show_seeds(judged: Mapping[str, SeedEvaluations], x: str, method: str = "Problem 1") -> None:
    """Display ``seeds_and_means`` of these settings, if they have more than one seed."""
    if all(len(evaluations.seeds) == 1 for evaluations in judged.values()):
        return
    show(
        seeds_and_means(accuracies(judged, x), x, method=method),
        alt=f"Accuracy of every seed of {', '.join(map(str, judged))} with 95 % intervals.",
        caption="Each point is one seed with its 95 % interval over episodes, each bar the mean "
        "over seeds.",
    )
