"""Pages: complete in themselves, with nothing of the machinery in them."""

import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fewshot_lib.report.render import Page, render_notebook

PAGES = [Page("index.html", "Summary"), Page("one.html", "One"), Page("two.html", "Two & <b>")]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"  # what it shows does not matter
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'


def display(data: dict, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


def code(source: str, *outputs, tags: tuple[str, ...] = ()):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


@pytest.fixture
def page(tmp_path: Path):
    """Render cells and return the page as soup."""

    def render(*cells, metadata: dict | None = None, **options) -> BeautifulSoup:
        notebook = new_notebook(cells=list(cells), metadata=metadata or {})
        nbformat.write(notebook, tmp_path / "one.ipynb")
        provenance = {"profile": "quick", "device": "<cpu>"}
        render_notebook(tmp_path / "one.ipynb", tmp_path / "one.html", PAGES, provenance, **options)
        return BeautifulSoup((tmp_path / "one.html").read_text("utf-8"), "html.parser")

    return render


def test_title_contents_navigation_and_footer(page):
    soup = page(new_markdown_cell("# The $K$ title\n\n## Part\n\n### Detail\n\n#### Deep"))
    assert soup.title.get_text().startswith("The")
    assert [a["href"] for a in soup.select(".toc a")] == ["#part", "#detail"]
    assert soup.select_one("#part").name == "h2"
    assert soup.select_one("header a[aria-current]").get_text() == "One"
    assert soup.select_one("a[rel=prev]")["href"] == "index.html"
    assert soup.select_one("a[rel=next]")["href"] == "two.html"
    assert soup.select("header a")[2].get_text() == "Two & <b>"
    assert "<cpu>" in soup.footer.get_text()


def test_nothing_is_fetched(page):
    widget = "application/vnd.jupyter.widget-view+json"
    soup = page(
        new_markdown_cell("$x$ and ```mermaid\ngraph```"),
        code("a", display({"text/vnd.mermaid": "graph"})),
        code("b", display({"application/javascript": "fetch('https://example.org')"})),
        code("c", display({widget: {"model_id": "1"}, "text/plain": "a widget"})),
        code("d", display({"text/latex": "$y$"})),
        metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"1": {}}}}},
    )
    for tag in soup.select("[src], link[href]"):
        assert (tag.get("src") or tag.get("href")).startswith("data:")
    assert "https:" not in str(soup)
    assert not re.search(r"url\((?!data:)|@import", str(soup))
    policy = soup.select_one("meta[http-equiv=Content-Security-Policy]")["content"]
    assert "http" not in policy
    assert len(soup.select("math")) == 2


def test_figures_keep_their_alternative_text(page):
    alt = {"alt": 'Two "curves" & <more>'}
    soup = page(
        code("a", display({"image/png": PIXEL + "\n"}, **{"image/png": {**alt, "width": 300}})),
        code("b", display({"image/svg+xml": SVG}, **{"image/svg+xml": alt})),
        code("c", display({"image/jpeg": PIXEL}, **{"image/jpeg": alt})),
    )
    images = soup.select("figure img")
    assert [image["alt"] for image in images] == [alt["alt"]] * 3
    assert images[0]["width"] == "300"
    types = [re.match("data:(.*?);base64,", image["src"])[1] for image in images]
    assert types == ["image/png", "image/svg+xml", "image/jpeg"]


def test_images_of_the_text_are_embedded(page, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "picture.svg").write_text(SVG)
    soup = page(new_markdown_cell("![A picture](picture.svg)"), images=folder)
    assert soup.img["alt"] == "A picture"
    assert soup.img["src"].startswith("data:image/svg+xml;base64,")


def test_code_is_folded_and_empty_cells_left_out(page):
    soup = page(code("print('x < y')", new_output("stream", text="x < y\n")), code(" "))
    (fold,) = soup.select("details.code")
    assert not fold.has_attr("open")
    assert "print('x < y')" in fold.get_text()
    assert soup.select_one("pre.text").get_text().strip() == "x < y"


def test_noise_does_not_appear(page):
    noise = new_output("stream", name="stderr", text="UserWarning: noise")
    banner = new_markdown_cell("An Exception was encountered")
    banner.metadata["tags"] = ["papermill-error-cell-tag"]
    text = page(banner, code("a", noise)).get_text()
    assert "noise" not in text
    assert "encountered" not in text


def test_parameters_are_a_table(page):
    source = "lr = 1e-3  # learning rate\nn_way: int = 5\nshots = [1, 5]  # K"
    soup = page(
        code(source, tags=("parameters",)),
        code("lr = 0.01\nn_way = 5", tags=("injected-parameters",)),
        metadata={"papermill": {"parameters": {"lr": 0.01, "n_way": 5}}},
    )
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in soup.select("tbody tr")]
    expected = [["lr", "0.01", "learning rate"], ["n_way", "5", ""], ["shots", "1, 5", "K"]]
    assert rows == expected
    assert [bold.get_text() for bold in soup.select("tbody b")] == ["0.01"]
    assert len(soup.select("details.code")) == 1


def test_a_failure_is_shown_with_its_traceback(page):
    lines = ["\x1b[31mZeroDivisionError\x1b[39m", "1 < 2"]
    failed = new_output("error", ename="ZeroDivisionError", evalue="a < b", traceback=lines)
    soup = page(code("1 / 0", failed), error="ZeroDivisionError: a < b")
    assert "incomplete. ZeroDivisionError: a < b" in soup.select_one(".notice").get_text()
    assert "a < b" in soup.select_one(".error p").get_text()
    assert soup.select_one(".error pre .ansi-red-fg").get_text() == "ZeroDivisionError"
    assert "1 < 2" in soup.select_one(".error pre").get_text()


def test_tables_of_pandas_keep_their_style(page):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"name": ["a", "b"], "accuracy": [37.4, 58.5]})
    html = frame.style.set_caption("Accuracy").highlight_max(subset=["accuracy"]).to_html()
    soup = page(code("table", display({"text/html": html})))
    table = soup.select_one(".rich .table table")
    assert table.caption.get_text() == "Accuracy"
    assert "background-color" in soup.select_one(".rich style").get_text()
    assert [cell.get_text() for cell in table.select("td.number")] == ["37.400000", "58.500000"]
