"""The measurements as one page: a table for each group, curves for those that have an axis."""

from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from results import Group

import fewshot_lib.report
from fewshot_lib.experiments.provenance import provenance
from fewshot_lib.files import write_text
from fewshot_lib.notebook import style

FOLDERS = [Path(__file__).parent, Path(fewshot_lib.report.__file__).parent / "template"]


def write(groups: list[Group], target: Path, threads: int) -> None:
    """Write the page; it asks the network for nothing."""
    environment = Environment(loader=FileSystemLoader(FOLDERS), autoescape=True)
    style.use_style()
    html = environment.get_template("page.html.j2").render(
        title="How fast it is",
        groups=[(group, list(group.cells()), drawing(group)) for group in groups],
        provenance=provenance() | {"threads": str(threads)},
    )
    write_text(target, html)


def drawing(group: Group) -> Markup | None:
    """The group's curves as an image that says what it shows; None if it has none."""
    if len({row.x for row in group.rows}) < 2:
        return None
    figure = curves(group)
    try:
        return Markup(style.svg(figure, salt=group.title))
    finally:
        plt.close(figure)


def curves(group: Group) -> Figure:
    """Medians over the axis, with the best round as the band's lower edge."""
    figure, ax = plt.subplots(figsize=(style.WIDTH * 0.7, 3))
    names = list(dict.fromkeys(row.name for row in group.rows))
    for name, colour in zip(names, sns.color_palette(style.OTHERS, len(names)), strict=True):
        rows = sorted((r for r in group.rows if r.name == name), key=lambda row: row.x)
        x, median, best = zip(*((r.x, r.median, r.best) for r in rows), strict=True)
        ax.plot(x, median, marker=".", color=colour, label=name)
        ax.fill_between(x, best, median, color=colour, alpha=0.18, lw=0)
    ax.set(xlabel=group.axis, ylabel="seconds")
    ax.set_xticks(sorted({row.x for row in group.rows}))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure
