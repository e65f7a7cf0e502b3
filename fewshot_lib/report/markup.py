"""Markdown and tables as HTML that needs no script: formulas become MathML."""

import re
from html import escape

from bs4 import BeautifulSoup
from bs4.element import Tag
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import (
    IPythonRenderer,
    MarkdownWithMath,
    MathBlockParser,
    MathInlineParser,
)

# What the converter does not know, in words that it does.
ALIASES = {
    r"\begin{aligned}": r"\begin{split}",
    r"\end{aligned}": r"\end{split}",
    r"\arg\max": r"\argmax",
    r"\arg\min": r"\argmin",
}
UNKNOWN = re.compile(r">\\[A-Za-z]")  # a command that came through as text
# The cells of a column of numbers: 47.64, 47.6 ± 0.8, −3, 12 %, 1e-3, 3,956,688, – for none.
NUMBER = re.compile(
    r"[<>≈~+\-−±]*\s*\d[\d,.\s]*(e[-+]?\d+)?\s*%?(\s*(±|\+-|/)\s*[\d,.]+\s*%?)?(\s*(s|min|h|ms|MB|points))?"
)
NOTHING = {"", "–", "—", "-", "nan", "NaN", "None"}


def mathml(latex: str, display: str = "inline") -> str:
    """A formula as MathML, or as code when it cannot be converted."""
    text = latex.strip()
    for word, known in ALIASES.items():
        text = text.replace(word, known)
    try:
        if re.sub(r"\\[{}]", "", text).count("{") != re.sub(r"\\[{}]", "", text).count("}"):
            raise ValueError("unbalanced braces")
        html = convert(text, display=display)
    except Exception:  # the converter fails in many ways, none of them documented
        html = None
    if html is None or UNKNOWN.search(html):
        return f'<code class="formula">{escape(latex.strip())}</code>'
    return html


class Blocks(MathBlockParser):
    # A formula of its own starts its line: $$ within a sentence is left to the inline rules.
    SPECIFICATION = {
        **MathBlockParser.SPECIFICATION,
        "multiline_math": (
            r"^ {0,3}(?s:\$\$.+?(?<!\\)\$\$|\\begin\{(?P<math_env_name>[a-z]*\*?)\}.*?"
            r"\\end\{(?P=math_env_name)\})"
        ),
    }


class Inlines(MathInlineParser):
    # No space inside the dollars, no digit after: "$5 and $10" are prices.
    SPECIFICATION = {
        **MathInlineParser.SPECIFICATION,
        "inline_math_tex": (
            r"(?<![\\$])\$(?![\s$])(?P<math_inline_tex>(?:\\.|[^$\\`])+?)(?<!\s)\$(?![\d$])"
        ),
    }


class Renderer(IPythonRenderer):
    """Formulas as MathML, headings with unique anchors.

    Attributes:
        headings: (level, anchor, text) of every heading so far.
    """

    def __init__(self, **options):
        super().__init__(escape=False, embed_images=True, **options)
        self.headings: list[tuple[int, str, str]] = []

    def block_math(self, body: str) -> str:
        return f'<span class="formula-block">{mathml(body, "block")}</span>'

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        if name.rstrip("*") == "equation":
            return self.block_math(body)
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def heading(self, text: str, level: int, **attrs) -> str:
        plain = BeautifulSoup(text, "html.parser").get_text().strip()
        stem = re.sub(r"[^\w]+", "-", plain.lower()).strip("-") or "section"
        taken = {anchor for _, anchor, _ in self.headings}
        numbers = (f"{stem}-{i}" for i in range(2, len(taken) + 3))
        anchor = stem if stem not in taken else next(a for a in numbers if a not in taken)
        self.headings.append((level, anchor, plain))
        link = f'<a class="anchor" href="#{anchor}" aria-hidden="true" tabindex="-1">#</a>'
        return f'<h{level} id="{anchor}">{text} {link}</h{level}>\n'

    def markdown(self, source: str) -> str:
        return tidy_tables(MarkdownWithMath(self, Blocks(), Inlines()).render(source))


def tidy_tables(html: str) -> str:
    """Give every table a box of its own to scroll in and align columns of numbers right."""
    if "<table" not in html:
        return html
    soup = BeautifulSoup(html, "html.parser")
    for table in soup.find_all("table"):
        table.attrs.pop("border", None)
        merge_index_names(table)
        align_numbers(table)
        box = soup.new_tag("div", attrs={"class": "table", "tabindex": "0", "role": "group"})
        table.wrap(box)
    return str(soup)


def merge_index_names(table: Tag) -> None:
    """Put pandas' second header row, names of the index alone, into the blanks of the first."""
    rows = [row.find_all("th") for row in table.select("thead > tr")]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        return
    pairs = list(zip(*rows, strict=True))
    if all(not (a.get_text(strip=True) and b.get_text(strip=True)) for a, b in pairs):
        for first, second in pairs:
            if second.get_text(strip=True):
                first.replace_with(second.extract())
        table.select("thead > tr")[1].decompose()


def align_numbers(table: Tag) -> None:
    """Mark the cells of numeric columns, header included, with the class ``number``."""
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.find_all("tr")]
    body = [row for row in rows if any(cell.name == "td" for cell in row)]
    width = max(map(len, body), default=0)
    plain = [
        row for row in rows if len(row) == width and not any("colspan" in c.attrs for c in row)
    ]
    for column in range(width):
        texts = [row[column].get_text(" ", strip=True) for row in plain if row in body]
        values = [text for text in texts if text not in NOTHING]
        if values and all(NUMBER.fullmatch(text) for text in values):
            for row in plain:
                row[column]["class"] = [*row[column].get("class", []), "number"]
