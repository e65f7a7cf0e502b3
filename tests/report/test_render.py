"""Pages: complete in themselves, with nothing of the machinery in them."""

import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pydantic import Field

from fewshot_lib.errors import InputError
from fewshot_lib.report.pages import Page
from fewshot_lib.report.render import render_notebook
from fewshot_lib.spec.checks import Params

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
    assert [a["href"] for a in soup.select(".steps a")] == ["index.html", "two.html"]
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


def picture(kind: str, data: str, **about):
    return display({kind: data, "text/plain": "a figure"}, **{kind: about})


def test_figures_keep_their_alternative_text(page):
    alt = 'Two "curves" & <more>'
    soup = page(
        code("a", picture("image/png", PIXEL + "\n", alt=alt, width=300)),
        code("b", picture("image/svg+xml", SVG, alt=alt)),
        code("c", picture("image/jpeg", PIXEL, alt=alt)),
    )
    png, svg, jpeg = (box.find(["img", "svg"]) for box in soup.select("figure > .plate"))
    assert (png["alt"], svg["aria-label"], jpeg["alt"]) == (alt, alt, alt)
    assert svg["role"] == "img"
    assert png.parent["style"] == "--width:300px"
    sources = [png["src"], jpeg["src"]]
    assert sources == [f"data:image/png;base64,{PIXEL}", f"data:image/jpeg;base64,{PIXEL}"]


def test_figures_and_tables_are_numbered_in_reading_order(page):
    maps = '<figure class="interactive" data-alt="Maps">{}<figcaption>Map</figcaption></figure>'
    table = "<table><caption>Rates</caption><tr><td>1</td></tr></table>"
    soup = page(
        code("a", picture("image/png", PIXEL, alt="one", caption="A <curve>.")),
        code("b", display({"text/html": table}), display({"text/html": "<table></table>"})),
        code("c", display({"text/html": maps.format("<i></i>")})),
        code("d", display({"text/html": table})),
        code("e", picture("image/svg+xml", SVG, alt="three")),
    )
    captions = [tag.get_text() for tag in soup.select("figcaption, caption")]
    assert captions == [
        "Figure 1 A <curve>.",
        "Table 1 Rates",
        "Figure 2 Map",
        "Table 2 Rates",
        "Figure 3",
    ]
    targets = [soup.select_one(a["href"]).name for a in soup.select("a.label")]
    assert targets == ["figure", "div", "figure", "div", "figure"]
    assert soup.select_one("#figure-2")["aria-label"] == "Maps"


def test_an_interactive_figure_keeps_its_own_id(page):
    html = '<figure class="interactive" id="map-1" data-alt="Maps"></figure>'
    soup = page(code("a", display({"text/html": html})))
    assert soup.select_one("#figure-1 > figure#map-1 > figcaption").get_text() == "Figure 1 "


@pytest.mark.parametrize(
    "output",
    [
        display({"image/png": PIXEL}),
        picture("image/svg+xml", SVG, alt=" "),
        display({"text/html": '<figure class="interactive"></figure>'}),
        display({"text/html": "<img src='data:,'>"}),
    ],
    ids=["png", "blank", "interactive", "html"],
)
def test_a_figure_without_alternative_text_is_refused_and_its_cell_named(page, tmp_path, output):
    injected = code("n = 2", tags=("injected-parameters",))
    with pytest.raises(InputError, match=r"^one\.ipynb: the figure of cell 2 has no alternative"):
        page(new_markdown_cell("# A"), injected, code("b", output))
    assert not (tmp_path / "one.html").exists()


def test_a_picture_that_is_not_shown_needs_no_alternative_text(page):
    soup = page(code("a", display({"text/html": "<p>t</p>", "image/png": PIXEL})))
    assert not soup.select("figure, img")


def test_a_heavy_page_is_told_of(page, capsys):
    page(code("a", picture("image/png", PIXEL * 60_000, alt="large")))
    assert capsys.readouterr().err.startswith("one.html has 2.7 MB, more than 2.5")
    page(code("a", picture("image/png", PIXEL, alt="small")))
    assert capsys.readouterr().err == ""


def test_images_of_the_text_are_embedded(page, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "picture.svg").write_text(SVG)
    soup = page(new_markdown_cell("![A picture](picture.svg)"), images=folder)
    assert soup.img["alt"] == "A picture"
    assert soup.img["src"].startswith("data:image/svg+xml;base64,")


def test_code_is_folded_and_empty_cells_left_out(page):
    soup = page(code("print('x < y')", new_output("stream", text="x < y\n")), code(" "))
    (fold,) = soup.select("details.source")
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
    class Small(Params):
        lr: float = Field(1e-3, description="learning rate < 1")
        n_way: int = Field(5, description="ways")
        shots: list[int] = Field([1, 5], description="values of K")

    soup = page(
        code('profile = "quick"', tags=("parameters",)),
        code("lr = 0.01", tags=("injected-parameters",)),
        params=Small(lr=0.01),
    )
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in soup.select("tbody tr")]
    assert rows == [
        ["lr", "0.01", "learning rate < 1"],
        ["n_way", "5", "ways"],
        ["shots", "1, 5", "values of K"],
    ]
    assert [bold.get_text() for bold in soup.select("tbody b")] == ["0.01"]
    assert len(soup.select("details")) == 1


def test_cells_that_show_nothing_share_a_fold_with_the_next(page):
    text, noise = new_output("stream", text="1"), new_output("stream", name="stderr", text="w")
    soup = page(code("a = 1"), code("b = 2", noise), code("print(a)", text), code("print(b)", text))
    folds = [fold.pre.get_text().strip() for fold in soup.select("details.source")]
    assert folds == ["a = 1\n\nb = 2\n\nprint(a)", "print(b)"]


def test_works_that_are_cited_are_listed_at_the_end(page):
    table = "<table><caption>Like Lee et al. 2019</caption><tr><td>1</td></tr></table>"
    soup = page(
        new_markdown_cell("# A\n\n## 1.1 Part\n\nSee Table 1 (Wang et al., 2018) and section 1.1."),
        code("a", display({"text/html": table})),
        code("b", display({"text/markdown": "As Wang et al. (2018) say."})),
    )
    links = [a["href"] for a in soup.select("main :is(p, caption) a:not(.label, .anchor)")]
    assert links == [
        "#table-1",
        "#ref-wang-2018",
        "#section-1-1",
        "#ref-lee-2019",
        "#ref-wang-2018",
    ]
    assert all(soup.select(link) for link in links)
    assert [li["id"] for li in soup.select(".works li")] == ["ref-lee-2019", "ref-wang-2018"]
    assert soup.select(".toc a")[-1]["href"] == "#references"


def test_a_figure_is_shown_once_though_notebooks_get_it_twice(page):
    twice = display({"image/png": PIXEL, "text/html": "<figure>x</figure>"})
    twice.metadata["image/png"] = {"alt": "one"}
    soup = page(code("a", twice))
    assert len(soup.select("figure")) == len(soup.select("img")) == 1


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
    assert table.caption.get_text() == "Table 1 Accuracy"
    assert "background-color" in soup.select_one(".rich style").get_text()
    assert [cell.get_text() for cell in table.select("td.number")] == ["37.400000", "58.500000"]
