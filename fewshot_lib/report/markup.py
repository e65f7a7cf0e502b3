"""Markdown, tables and figures as HTML that needs no script: formulas become MathML."""

import re
from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Any

from bs4 import BeautifulSoup, NavigableString
from bs4.element import Tag
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import (
    IPythonRenderer,
    MarkdownWithMath,
    MathBlockParser,
    MathInlineParser,
)

from fewshot_lib.report.drawings import FigureError, figure_element
from fewshot_lib.report.references import section_anchor

# What the converter does not know, in words that it does.
_ALIASES = {
    r"\begin{aligned}": r"\begin{split}",
    r"\end{aligned}": r"\end{split}",
    r"\arg\max": r"\argmax",
    r"\arg\min": r"\argmin",
}
_UNKNOWN = re.compile(r">\\[A-Za-z]")  # a command that came through as text
_WORD_OF_FORMULA = re.compile(r"([^\s<>]?)(<math\b(?:(?!</math>).)*</math>)([^\s<>]*)", re.S)
# The cells of a column of numbers: 47.64, 47.6 ± 0.8, −3, 12 %, 1e-3, 3,956,688, – for none.
_NUMBER = re.compile(
    r"[<>≈~+\-−±]*\s*\d[\d,.\s]*(e[-+]?\d+)?\s*%?(\s*(±|\+-|/)\s*[\d,.]+\s*%?)?(\s*(s|min|h|ms|MB|points))?"
)
_HYPHENS = re.compile(r"(?<![\w.-])-(?=\d|\.\d)")  # before a number: minus
_NOTHING = {"", "–", "—", "-", "nan", "NaN", "None"}
_NO_ALT = "has no alternative text (alt), which says what it shows"


def _mathml(latex: str, display: str = "inline") -> str:
    """A formula as MathML, or as code when it cannot be converted."""
    text = latex.strip()
    for word, known in _ALIASES.items():
        text = text.replace(word, known)
    try:
        if re.sub(r"\\[{}]", "", text).count("{") != re.sub(r"\\[{}]", "", text).count("}"):
            raise ValueError("unbalanced braces")
        html = convert(text, display=display)
    except Exception:  # the converter fails in many ways, none of them documented
        html = None
    if html is None or _UNKNOWN.search(html):
        return f'<code class="formula">{escape(latex.strip())}</code>'
    return html


class _Blocks(MathBlockParser):
    # A formula of its own starts its line: $$ within a sentence is left to the inline rules.
    SPECIFICATION = {
        **MathBlockParser.SPECIFICATION,
        "multiline_math": (
            r"^ {0,3}(?s:\$\$.+?(?<!\\)\$\$|\\begin\{(?P<math_env_name>[a-z]*\*?)\}.*?"
            r"\\end\{(?P=math_env_name)\})"
        ),
    }


class _Inlines(MathInlineParser):
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
        return f'<span class="formula-block" tabindex="0">{_mathml(body, "block")}</span>'

    def inline_math(self, body: str) -> str:
        return _mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        if name.rstrip("*") == "equation":
            return self.block_math(body)
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def heading(self, text: str, level: int, **attrs) -> str:
        plain = BeautifulSoup(text, "html.parser").get_text().strip()
        stem = re.sub(r"[^\w]+", "-", plain.lower()).strip("-") or "section"
        if number := re.match(r"\d\.\d(?= )", plain):
            stem = section_anchor(number[0])
        taken = {anchor for _, anchor, _ in self.headings}
        numbers = (f"{stem}-{i}" for i in range(2, len(taken) + 3))
        anchor = stem if stem not in taken else next(a for a in numbers if a not in taken)
        self.headings.append((level, anchor, plain))
        link = f'<a class="anchor" href="#{anchor}" aria-hidden="true" tabindex="-1">#</a>'
        return f'<h{level} id="{anchor}">{text} {link}</h{level}>\n'

    def markdown(self, source: str) -> str:
        html = MarkdownWithMath(self, _Blocks(), _Inlines()).render(source)
        return tidy_tables(_WORD_OF_FORMULA.sub(_keep_together, html))


def _keep_together(match: re.Match) -> str:
    """A formula and the punctuation that touches it, which no line may begin with."""
    before, formula, after = match.groups()
    touched = before or after
    return f'<span class="together">{match[0]}</span>' if touched else formula


def tidy_tables(html: str) -> str:
    """Give every table a box to scroll in, align columns of numbers right, write minus as −."""
    if "<table" not in html:
        return html
    soup = BeautifulSoup(html, "html.parser")
    for table in soup.find_all("table"):
        table.attrs.pop("border", None)
        for text in table.find_all(string=_HYPHENS):
            if type(text) is NavigableString and not text.find_parent(["code", "svg"]):
                text.replace_with(_HYPHENS.sub("−", text))
        _merge_index_names(table)
        _align_numbers(table)
        box = soup.new_tag("div", attrs={"class": "table", "tabindex": "0", "role": "group"})
        table.wrap(box)
    return str(soup)


def _merge_index_names(table: Tag) -> None:
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


def _align_numbers(table: Tag) -> None:
    """Mark the cells of numeric columns, header included, with the class ``number``."""
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.find_all("tr")]
    body = [row for row in rows if any(cell.name == "td" for cell in row)]
    width = max(map(len, body), default=0)
    plain = [
        row for row in rows if len(row) == width and not any("colspan" in c.attrs for c in row)
    ]
    for column in range(width):
        texts = [row[column].get_text(" ", strip=True) for row in plain if row in body]
        values = [text for text in texts if text not in _NOTHING]
        if values and all(_NUMBER.fullmatch(text) for text in values):
            for row in plain:
                row[column]["class"] = [*row[column].get("class", []), "number"]


class Numbers:
    """The numbers of a page's figures and tables, in reading order."""

    def __init__(self):
        self.last: Counter[str] = Counter()

    def next(self, kind: str) -> tuple[str, str]:
        """The name of the next "Figure" or "Table", and its anchor: "Figure 3", "figure-3"."""
        self.last[kind] += 1
        return f"{kind} {self.last[kind]}", f"{kind.lower()}-{self.last[kind]}"

    def anchors(self) -> set[str]:
        """Of all so far."""
        return {f"{kind.lower()}-{i + 1}" for kind, n in self.last.items() for i in range(n)}


def _label(name: str, anchor: str) -> str:
    """What a caption begins with: its own number, as a link to copy."""
    return f'<a class="label" href="#{anchor}">{name}</a> '


def figure_html(kind: str, data: str, about: Mapping[str, Any], numbers: Numbers) -> str:
    """An image with a numbered caption.

    Args:
        kind, data: as of ``drawings.figure_element``.
        about: as there, and ``caption``.

    Raises:
        FigureError: there is no alternative text, or the SVG cannot be read.
    """
    alt = str(about.get("alt") or "").strip()
    if not alt:
        raise FigureError(_NO_ALT)
    name, anchor = numbers.next("Figure")
    caption = _label(name, anchor) + escape(about.get("caption") or "")
    return figure_element(kind, data, {**about, "alt": alt}, anchor, name, caption.strip())


def number_captions(html: str, numbers: Numbers) -> str:
    """Number the captions of tables, and of ``<figure class="interactive" data-alt="…">``.

    Raises:
        FigureError: an image or an interactive figure has no alternative text.
    """
    if not re.search(r"<(figure|caption|img)\b", html):
        return html
    soup = BeautifulSoup(html, "html.parser")
    if soup.select("img:not([alt])"):
        raise FigureError(_NO_ALT)
    for tag in soup.select("figure.interactive, table:has(> caption)"):
        if tag.name == "table":
            _number_table(tag, *numbers.next("Table"))
        else:
            _number_figure(soup, tag, *numbers.next("Figure"))
    return str(soup)


def _number_table(table: Tag, name: str, anchor: str) -> None:
    # Not the table's own id: the style sheets of pandas go by it.
    table.parent.attrs |= {"id": anchor, "aria-label": name}
    words = BeautifulSoup(f"<span>{_label(name, anchor)}</span>", "html.parser").span
    words.extend(list(table.caption.contents))
    table.caption.append(words)


def _number_figure(soup: BeautifulSoup, tag: Tag, name: str, anchor: str) -> None:
    alt = tag.get("data-alt", "").strip()
    if not alt:
        raise FigureError(_NO_ALT.replace("(alt)", "(data-alt)"))
    tag.attrs.setdefault("aria-label", alt)
    if not tag.find("figcaption", recursive=False):
        tag.append(soup.new_tag("figcaption"))
    tag.figcaption.insert(0, BeautifulSoup(_label(name, anchor), "html.parser"))
    if "id" in tag.attrs:  # which its own style and script may go by
        tag.wrap(soup.new_tag("div", attrs={"id": anchor}))
    else:
        tag["id"] = anchor
