"""The report's front page as long as there is no summary notebook."""

from pathlib import Path
from typing import Any

from fewshot_lib.paths import write_text
from fewshot_lib.problems import NOTEBOOKS
from fewshot_lib.progress import duration
from fewshot_lib.report.render import Page, neighbours, render_page, shown
from fewshot_lib.report.status import COMPLETE, Status

INDEX = "index.html"


def write_index(folder: Path, pages: list[Page], status: Status) -> None:
    """Write ``index.html``: the pages, what is missing, the parameters, how it came about."""
    rows = [row(name, entry, pages) for name, entry in status.entries.items()]
    made = [page for page in pages if page.href in {INDEX, *(r["page"] for r in rows)}]
    html = render_page(
        "overview.html.j2",
        title="Few-shot learning report",
        rows=rows,
        missing=[f"{r['title']} ({r['state']})" for r in rows if r["state"] != COMPLETE],
        parameters=parameter_table(status),
        provenance=status.provenance,
        **neighbours(made, INDEX),
    )
    write_text(folder / INDEX, html)


def row(name: str, entry: dict[str, Any], pages: list[Page]) -> dict[str, Any]:
    """What the page tells of one notebook."""
    titles = {Path(page.href).stem: page.title for page in pages}
    took = duration(entry["seconds"]) if "seconds" in entry else ""
    title = titles.get(NOTEBOOKS[name], name)
    return {"page": None, "error": None} | entry | {"name": name, "title": title, "took": took}


def parameter_table(status: Status) -> list[tuple[str, list[str]]]:
    """One row per parameter, one value per notebook."""
    columns = [entry.get("parameters", {}) for entry in status.entries.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    return [(name, [shown(column.get(name)) for column in columns]) for name in names]
