"""An executed notebook as one HTML file that asks the network for nothing."""

import copy
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from fewshot_lib.errors import InputError
from fewshot_lib.files import write_text
from fewshot_lib.report.drawings import FigureError
from fewshot_lib.report.markup import (
    Numbers,
    Renderer,
    figure_html,
    number_captions,
    tidy_tables,
)
from fewshot_lib.report.pages import HERE, Page, neighbours
from fewshot_lib.report.references import References
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.words import value_text

_OF_PAPERMILL = {"papermill-error-cell-tag", "injected-parameters"}  # tags of its own cells
_IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
_HEAVY = 2_500_000  # bytes that a page should not exceed


def render_notebook(
    source: Path,
    target: Path,
    pages: list[Page],
    provenance: Mapping[str, str],
    error: str | None = None,
    images: Path | None = None,
    params: Params | None = None,
) -> None:
    """Write ``source`` as the page ``target``.

    Args:
        source: an executed notebook.
        target: the HTML file; written whole or not at all.
        pages: all pages of the report in reading order, the first is the summary.
        provenance: what the footer tells, name to value.
        error: why the notebook is incomplete, if it is.
        images: folder that relative links to images start from; that of ``source`` by default.
        params: shown as a table in place of the parameters cell.

    Raises:
        InputError: a figure has no alternative text or cannot be read.
    """
    folder = str(images or source.parent)
    notebook, renderer = _prepare(nbformat.read(source, as_version=4), folder, params)
    anchors = _number_outputs(notebook, renderer, source.name)
    references = _link(notebook, References(anchors, pages))
    resources = {
        "metadata": {"name": source.stem, "path": folder},
        "title": _page_title(renderer, source.stem),
        "toc": _contents(renderer, references),
        "parameters": _parameter_rows(params) if params else [],
        "references": references,
        "provenance": provenance,
        "error": error,
        **neighbours(pages, target.name),
    }
    exporter = HTMLExporter(template_name="template", extra_template_basedirs=[str(HERE)])
    exporter.register_filter("markdown2html", renderer.markdown)
    _write_page(target, exporter.from_notebook_node(notebook, resources)[0])


def _write_page(target: Path, html: str) -> None:
    """Write the page, and say so if it is heavy."""
    write_text(target, html)
    if (size := target.stat().st_size) > _HEAVY:
        words = f"{size / 1e6:.1f} MB, more than {_HEAVY / 1e6:.1f}: it will open slowly"
        print(f"{target.name} has {words}", file=sys.stderr)


def _prepare(
    notebook: NotebookNode, folder: str, params: Params | None
) -> tuple[NotebookNode, Renderer]:
    """A copy without papermill's own cells and with its Markdown rendered.

    Headings have to be known before the page is written, since the contents come first.
    """
    notebook, renderer = copy.deepcopy(notebook), Renderer(path=folder)
    notebook.cells = [c for c in notebook.cells if _OF_PAPERMILL.isdisjoint(_tags(c))]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            renderer.attachments = cell.get("attachments", {})
            cell.metadata["html"] = renderer.markdown(cell.source)
    # A table stands in place of the parameters cell.
    _gather_code([c for c in notebook.cells if not (params and "parameters" in _tags(c))])
    return notebook, renderer


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _gather_code(cells: list[NotebookNode]) -> None:
    """Let cells that show nothing hand their code to the next one if that is code as well."""
    for cell, following in pairwise(cells):
        alike = cell.cell_type == following.cell_type == "code"
        if alike and not any(map(_is_shown, cell.outputs)):
            following.source = f"{cell.source.rstrip()}\n\n{following.source}".strip()
            cell.source = ""


def _is_shown(output: NotebookNode) -> bool:
    return output.get("name") != "stderr"


def _number_outputs(notebook: NotebookNode, renderer: Renderer, name: str) -> set[str]:
    """Put the HTML of figures, tables and texts into the metadata of their outputs.

    Returns:
        The anchors of headings, and of figures and tables, numbered in reading order.

    Raises:
        InputError: a figure has no alternative text or cannot be read.
    """
    numbers = Numbers()
    for position, cell in enumerate(notebook.cells, start=1):  # as in the notebook as written
        for output in cell.get("outputs", []):
            try:
                _output_html(output, renderer, numbers)
            except FigureError as error:
                line = f"{name}: the figure of cell {position} {error}"
                raise InputError(f'{line}: use figures.show(figure, alt="…")') from None
    return numbers.anchors() | {anchor for _, anchor, _ in renderer.headings}


def _output_html(output: NotebookNode, renderer: Renderer, numbers: Numbers) -> None:
    data = output.get("data", {})
    kind = next((k for k in _IMAGES if k in data), None)
    about = output.get("metadata", {}).get(kind, {})
    if about.get("alt"):
        data.pop("text/html", None)  # the same for JupyterLab
    if "text/html" in data:
        output.metadata["html"] = number_captions(tidy_tables(data["text/html"]), numbers)
    elif "text/markdown" in data:
        output.metadata["html"] = renderer.markdown(data["text/markdown"])
    elif kind:
        output.metadata["html"] = figure_html(kind, data[kind], about, numbers)


def _link(notebook: NotebookNode, references: References) -> list[dict[str, str]]:
    """Link what texts, captions and tables name.

    Returns:
        The works that are cited.
    """
    for cell in notebook.cells:
        for part in (cell, *cell.get("outputs", [])):
            if "html" in part.get("metadata", {}):
                part.metadata["html"] = references.link(part.metadata["html"])
    return references.listed()


def notebook_title(path: Path) -> str:
    """Title of a notebook: its first heading, or the file's name."""
    _, renderer = _prepare(nbformat.read(path, as_version=4), str(path.parent), params=None)
    return _page_title(renderer, path.stem)


def _contents(renderer: Renderer, references: list) -> list[tuple[int, str, str]]:
    """Level, anchor and text of what the contents list."""
    headings = [heading for heading in renderer.headings if heading[0] in (2, 3)]
    return headings + [(2, "references", "References")] * bool(references)


def _page_title(renderer: Renderer, fallback: str) -> str:
    return renderer.headings[0][2] if renderer.headings else fallback


def _parameter_rows(params: Params) -> list[tuple[str, str, str, bool]]:
    """Name, value, meaning of each parameter, and whether it differs from its default."""
    rows = []
    for name, field in type(params).model_fields.items():
        value = getattr(params, name)
        rows.append((name, value_text(value), field.description, value != field.default))
    return rows
