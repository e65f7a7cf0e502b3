"""A page opened as a reader would, in a browser that reaches nothing but files."""

import base64
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.experiments.ledger import COMPLETE, FAILED, Status
from fewshot_lib.notebook.maps import _map_html
from fewshot_lib.report.pages import Page, write_index
from fewshot_lib.report.render import render_notebook
from fewshot_lib.spec.problems import PROBLEMS

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
PROVENANCE = {"profile": "quick", "versions": "Python 3"}
WIDE = "a_name_without_any_place_to_break_it" * 5
TEXT = rf"""# Gallery

Inline $\sum_{{i=1}}^n \frac{{x_i}}{{n}} = \bar x$, and a name: `{WIDE}`

## Wide things

$$a_1 + a_2 + a_3 + a_4 + a_5 + a_6 + a_7 + a_8 + a_9 + b_1 + b_2 + b_3 + b_4 + b_5 + b_6 + b_7$$

```python
{WIDE} = 1  # a comment
```

## Figures
"""


@contextmanager
def opened(browser, path: Path, **options) -> Iterator:
    """A page in a window of its own; what it asked for and complained of is in ``page.faults``."""
    context = browser.new_context(**options)
    page, faults = context.new_page(), []
    page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or faults.append(r.url))
    context.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
    page.faults = faults
    page.goto(path.as_uri())
    yield page
    context.close()


def write_gallery(folder: Path, bank: ImageBank) -> list[Path]:
    """A page with everything that is hard to show, and the overview of an unfinished report."""
    pages = [Page("index.html", "Summary"), Page("gallery.html", "Gallery"), Page("a.html", "A")]
    data = [photograph(), *drawings(), interactive(bank), table()]
    shown = [
        new_code_cell(f"{WIDE}({i})", outputs=[new_output("display_data", data=d, metadata=m)])
        for i, (d, m) in enumerate(data)
    ]
    long = new_output("stream", text=f"{WIDE * 3}\n" * 60)
    notebook = new_notebook(
        cells=[
            new_markdown_cell(TEXT),
            new_code_cell("n = 1  # how many", metadata={"tags": ["parameters"]}),
            *shown,
            new_markdown_cell("## The end"),
            new_code_cell("print()", outputs=[long]),
        ]
    )
    nbformat.write(notebook, folder / "gallery.ipynb")
    params = PROBLEMS["problem1"]()
    render_notebook(
        folder / "gallery.ipynb", folder / "gallery.html", pages, PROVENANCE, params=params
    )
    status = Status(folder, "quick", PROVENANCE)
    status.entries = {
        "problem1": {"state": COMPLETE, "page": "gallery.html", "parameters": {"n": 1}},
        "problem2": {"state": FAILED, "error": "ValueError: no"},
    }
    write_index(folder, pages, status)
    return [folder / "gallery.html", folder / "index.html"]


def photograph() -> tuple[dict, dict]:
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 400), "teal").save(buffer, "PNG")
    about = {"alt": "Teal all over", "caption": "A photograph.", "width": 800}
    return {"image/png": base64.b64encode(buffer.getvalue()).decode()}, {"image/png": about}


def drawings() -> Iterator[tuple[dict, dict]]:
    """Two Matplotlib drawings with the same ids, the second in two panels."""
    with plt.rc_context({"svg.hashsalt": "same", "svg.fonttype": "none"}):
        for title, cuts in (("one", []), ("two", [0.5])):
            figure, ax = plt.subplots(figsize=(8, 3))
            ax.plot([1, 2, 3], marker="o", clip_on=True)
            ax.set_title(title)
            buffer = io.StringIO()
            figure.savefig(buffer, format="svg")
            plt.close(figure)
            about = {"alt": f"Drawing {title}", "caption": "A drawing.", "width": 800, "cuts": cuts}
            yield {"image/svg+xml": buffer.getvalue()}, {"image/svg+xml": about}


def interactive(bank: ImageBank) -> tuple[dict, dict]:
    rows = [(float(i), float(i % 3), "ab"[i % 2], "real", i) for i in range(12)]
    frame = pd.DataFrame(rows, columns=["x", "y", "class", "kind", "image"])
    return {"text/html": _map_html({"left": frame, "right": frame}, bank, "Two maps", "Maps.")}, {}


def table() -> tuple[dict, dict]:
    frame = pd.DataFrame({f"a_column_of_numbers_{i}": [1.5, 2.5] for i in range(9)})
    return {"text/html": frame.style.set_caption("Wide.").to_html()}, {}
