"""HTML pages from templates: the front page, and what all pages share."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure

from fewshot_lib.experiments.ledger import COMPLETE, Status
from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.experiments.provenance import provenance
from fewshot_lib.experiments.runs import Run
from fewshot_lib.files import write_text
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook import style
from fewshot_lib.notebook.curves import learning_curves
from fewshot_lib.progress import duration
from fewshot_lib.report.drawings import figure_element
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import NOTEBOOKS
from fewshot_lib.spec.words import differing_values, short_names, value_text

INDEX = "index.html"
HERE = Path(__file__).parent
# What one line tells of what is the same; the rest can be unfolded.
_MAIN = {
    *("source", "image_size", "images_per_class", "method", "n_way", "n_shot", "n_query"),
    *("distance", "epochs", "episodes", "optimizer", "lr", "seed"),
    *("n_way_test", "n_shot_test", "n_query_test"),
}
# Verdict on a difference: its sign, its words, its colour in the style sheet.
_SIGNS = {
    "confirmed": ("▲", "scored higher", "complete"),
    "contradicted": ("▼", "scored lower", "failed"),
    "undecided": ("≈", "cannot be told apart", ""),
}

Row = dict[str, Any]  # what a template shows of a run


@dataclass(frozen=True)
class Page:
    """A link in the navigation."""

    href: str
    title: str


def neighbours(pages: list[Page], href: str) -> dict[str, Any]:
    """The page's place in the report, for its navigation."""
    place = next((i for i, page in enumerate(pages) if page.href == href), None)
    before = pages[place - 1] if place else None
    after = pages[place + 1] if place is not None and place + 1 < len(pages) else None
    return {"pages": pages, "here": href, "before": before, "after": after}


def render_page(template: str, **values: Any) -> str:
    """A page that is no notebook, in the same dress."""
    environment = Environment(loader=FileSystemLoader(HERE / "template"), autoescape=True)
    return environment.get_template(template).render(**values)


def write_index(folder: Path, pages: list[Page], status: Status) -> None:
    """Write ``index.html``: the pages, what is missing, the parameters, how it came about."""
    rows = [_row(name, entry, pages) for name, entry in status.entries.items()]
    made = [page for page in pages if page.href in {INDEX, *(r["page"] for r in rows)}]
    html = render_page(
        "overview.html.j2",
        title="Few-shot learning report",
        rows=rows,
        missing=[f"{r['title']} ({r['state']})" for r in rows if r["state"] != COMPLETE],
        parameters=_parameter_table(status),
        provenance=status.provenance,
        **neighbours(made, INDEX),
    )
    write_text(folder / INDEX, html)


def _row(name: str, entry: Row, pages: list[Page]) -> Row:
    """What the page tells of one notebook."""
    titles = {Path(page.href).stem: page.title for page in pages}
    took = duration(entry["seconds"]) if "seconds" in entry else ""
    title = titles.get(NOTEBOOKS[name], name)
    return {"page": None, "error": None} | entry | {"name": name, "title": title, "took": took}


def _parameter_table(status: Status) -> list[tuple[str, list[str]]]:
    """One row per parameter, one value per notebook."""
    columns = [entry.get("parameters", {}) for entry in status.entries.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    return [(name, [value_text(column.get(name)) for column in columns]) for name in names]


def difference_cells(found: Interval | str) -> Row:
    """A difference as tables tell it, or why there is none."""
    if isinstance(found, str):
        return {"difference": found, "sign": ""}
    sign, word, state = _SIGNS[found.verdict()]
    return {"difference": found.points(), "sign": sign, "word": word, "state": state}


def shared_values(title: str, href: str, specs: Sequence[Spec]) -> dict[str, Any]:
    """What templates show of any page of several runs: what is the same for all, how it came about.

    Args:
        href: the page's own name.
        specs: of the runs.
    """
    same = {name: value_text(value) for name, value in _equal_values(specs).items()}
    return {
        "title": title,
        "same": {name: value for name, value in same.items() if name in _MAIN},
        "same_too": {name: value for name, value in same.items() if name not in _MAIN},
        "provenance": {"made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"} | provenance(),
        **neighbours([Page(href, title)], href),
    }


def _equal_values(specs: Sequence[Spec]) -> dict[str, Any]:
    """Parameters that are the same for all, with their value."""
    odd = differing_values(specs)
    return {name: getattr(specs[0], name) for name in Spec.model_fields if name not in odd}


def figure_box(figure: Figure, name: str, alt: str) -> str:
    """A figure as part of a page that is no notebook; it is closed."""
    contents, about = style.mime_bundle(figure, alt, "")
    (kind,) = about
    data = contents[kind]
    data = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    return figure_element(kind, data, about[kind], f"figure-{name}", name)


def curves(runs: Mapping[str, Run]) -> str:
    """The learning curves of all runs as a part of the page."""
    style.use_style()
    # Between two dollars Matplotlib would read a formula.
    labels = [name.replace("$", r"\$") for name in short_names(list(runs))]
    seeds = [SeedRuns((run,)) for run in runs.values()]
    best = (
        f"{name} {100 * run.result['val_accuracy']:.1f} % after epoch {run.result['best_epoch']}"
        for name, run in runs.items()
    )
    alt = (
        "Training loss and validation accuracy with its 95 % band over epochs, one line for each "
        f"run. Best validation accuracy: {'; '.join(best)}."
    )
    return figure_box(learning_curves(dict(zip(labels, seeds, strict=True))), "curves", alt)
