"""Formulas, headings and tables in HTML."""

import pytest
from bs4 import BeautifulSoup

from fewshot_lib.report.drawings import FigureError, figure_element
from fewshot_lib.report.markup import Renderer, _mathml, tidy_tables

DRAWING = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="72pt" height="36pt" onload="alert(1)">
<metadata>who</metadata><script>alert(1)</script><style>*{fill:#abc} #dot{r:2px}</style>
<defs><path id="dot" d="M0 0"/><clipPath id="clip"/></defs>
<use xlink:href="#dot" style="fill: #dot; clip-path: url(#clip)"/><use href="#elsewhere"/>
</svg>"""


def inline_svg(source: str, anchor: str, alt: str) -> str:
    return figure_element("image/svg+xml", source, {"alt": alt}, anchor, "Figure 7")


def markdown(source: str) -> str:
    return Renderer().markdown(source)


@pytest.mark.parametrize(
    "source", ["a $x^2$ b", "a\n\n$$x$$\n", "$$\nx\n$$", "in $$x$$ line", "$K$-shot", "a ($n$)."]
)
def test_formulas_become_mathml(source):
    html = markdown(source)
    assert html.count("<math") == 1
    assert "$" not in html


@pytest.mark.parametrize(
    "source",
    [
        "from $5 to $10",
        "it costs $5.",
        "`echo $HOME and $PATH`",
        "a `$x$` b",
        "```\n$$x$$ and $y$\n```",
        r"\$x\$",
        "$ x $",
        "`$$` and `$$`",
    ],
)
def test_other_dollars_are_left_alone(source):
    html = markdown(source)
    assert "<math" not in html
    assert html.count("$") == source.count("$")


def test_display_formulas_are_blocks():
    assert 'display="block"' in markdown("$$x$$")
    assert 'display="inline"' in markdown("$x$")


@pytest.mark.parametrize("latex", [r"\nosuchcommand{x}", r"\frac{1", "x^", r"\left( x"])
def test_a_formula_that_cannot_be_converted_is_shown_as_code(latex):
    assert _mathml(latex) == f'<code class="formula">{latex}</code>'


@pytest.mark.parametrize("name", ["align*", "aligned", "cases", "equation", "pmatrix"])
def test_environments(name):
    html = markdown(rf"\begin{{{name}}} a &= b \\ c &= d \end{{{name}}}")
    assert "<math" in html


def test_less_than_stays_text():
    math = BeautifulSoup(markdown("$a < b \\le c$"), "html.parser").find("math")
    assert math.get_text() == "a<b≤c"


def test_headings_have_unique_anchors():
    renderer = Renderer()
    html = renderer.markdown("# A\n## Training `x`\n## Training `x`\n") + renderer.markdown("# A")
    anchors = [anchor for _, anchor, _ in renderer.headings]
    assert anchors == ["a", "training-x", "training-x-2", "a-2"]
    assert [tag["id"] for tag in BeautifulSoup(html, "html.parser").select("h1, h2")] == anchors
    assert renderer.headings[1] == (2, "training-x", "Training x")


def test_columns_of_numbers_are_marked_header_included():
    html = markdown("| a | b | c |\n|---|---|---|\n| x | 1.5 ± 0.2 | – |\n| 2 | −3 % | 4 |\n")
    marked = [tag.get_text() for tag in BeautifulSoup(html, "html.parser").select(".number")]
    assert marked == ["b", "c", "1.5 ± 0.2", "–", "−3 %", "4"]


def test_a_table_scrolls_in_a_box_of_its_own():
    soup = BeautifulSoup(tidy_tables("<p>t</p><table border=1><tr><td>x"), "html.parser")
    assert soup.table.parent["class"] == ["table"]
    assert "border" not in soup.table.attrs


def test_pandas_index_names_join_the_header():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"shots": [1, 5], "accuracy": [37.4, 58.5]}).set_index("shots")
    table = BeautifulSoup(tidy_tables(frame.to_html()), "html.parser")
    rows = [[cell.get_text() for cell in row.find_all("th")] for row in table.select("thead tr")]
    assert rows == [["shots", "accuracy"]]
    assert len(table.select("tbody td.number")) == 2


@pytest.mark.parametrize("source", ["a $x$, b", "a ($x$) b", "a $x$-way b"])
def test_a_formula_keeps_its_punctuation_on_its_line(source):
    (span,) = BeautifulSoup(markdown(source), "html.parser").select("span.together")
    assert f"a {span.get_text()} b" == source.replace("$", "")


def test_a_formula_that_stands_alone_needs_no_wrapping():
    assert "together" not in markdown("a $x$ b")


def test_ids_of_drawings_are_their_own():
    svg = BeautifulSoup(inline_svg(DRAWING, "figure-7", "A dot"), "html.parser").svg
    assert [tag["id"] for tag in svg.select("[id]")] == ["figure-7-dot", "figure-7-clip"]
    first, second = svg.select("use")
    assert first["xlink:href"] == "#figure-7-dot"
    assert first["style"].endswith("clip-path: url(#figure-7-clip)")
    assert second["href"] == "#elsewhere"


def test_a_drawing_styles_itself_alone_and_runs_nothing():
    html = inline_svg(DRAWING, "figure-7", "A dot")
    svg = BeautifulSoup(html, "html.parser").svg
    assert svg.style.get_text() == "#figure-7 {*{fill:#abc} #figure-7-dot{r:2px}}"
    assert "alert" not in html
    assert "who" not in html


def test_a_drawing_is_as_wide_as_its_place():
    svg = BeautifulSoup(inline_svg(DRAWING, "figure-7", "A dot"), "html.parser").svg
    assert svg.attrs.keys().isdisjoint({"width", "height", "onload"})
    assert svg["viewbox"] == "0 0 72 36"
    assert (svg["role"], svg["aria-label"]) == ("img", "A dot")


def test_a_drawing_that_cannot_be_read_is_an_error():
    with pytest.raises(FigureError, match="cannot be read"):
        inline_svg("<svg><g></svg>", "figure-1", "A")


def test_a_hyphen_before_a_number_is_a_minus_sign():
    cells = "<td>-2.9 ± 1.0</td><td>5-way, 1e-3</td><td>(-1, 2)</td><td><code>-1</code></td>"
    text = BeautifulSoup(tidy_tables(f"<table><tr>{cells}</tr></table>"), "html.parser")
    assert [td.get_text() for td in text.select("td")] == [
        "−2.9 ± 1.0",
        "5-way, 1e-3",
        "(−1, 2)",
        "-1",
    ]
