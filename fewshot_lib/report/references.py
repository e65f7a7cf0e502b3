"""What a page's text names, as links: works, tables and figures, sections of the report."""

import re
from functools import cache
from html import escape

import yaml
from bs4 import BeautifulSoup, NavigableString

from fewshot_lib.errors import InputError
from fewshot_lib.notebook.style import asset
from fewshot_lib.report.pages import Page

_SURNAME = r"(?:van der |de )?[A-Z][\w-]+"
_LINKED = re.compile(
    rf"(?P<author>\b{_SURNAME})(?: et al\.|(?:, {_SURNAME})* and {_SURNAME}),? "
    r"(?:\((?P<year1>\d{4})\)|(?P<year2>\d{4}))"
    r"|\b(?P<kind>Table|Figure)\s(?P<number>\d+)\b"
    r"|\b[Ss]ection\s(?P<section>\d\.\d)\b"
)
_LEFT_ALONE = ["a", "code", "pre", "style", "script", "svg", "math", "summary"]


class References:
    """The links of one page; what was cited is listed at its end.

    Args:
        anchors: of the page's tables, figures and sections.
        pages: of the report. A page whose file begins with ``2_`` holds the sections 2.1, 2.2, …
    """

    def __init__(self, anchors: set[str], pages: list[Page]):
        self.anchors, self.pages = anchors, pages
        self.cited: set[str] = set()

    def link(self, html: str) -> str:
        """The same HTML with links where it names something.

        Raises:
            InputError: it cites a work that ``references.yaml`` does not have.
        """
        if not _LINKED.search(html):
            return html
        soup = BeautifulSoup(html, "html.parser")
        for text in soup.find_all(string=_LINKED):
            if type(text) is NavigableString and not text.find_parent(_LEFT_ALONE):
                linked = _LINKED.sub(self._link_of, escape(text, quote=False))
                text.replace_with(BeautifulSoup(linked, "html.parser"))
        return str(soup)

    def _link_of(self, match: re.Match) -> str:
        href = self._citation(match) if match["author"] else self._place(match)
        return f'<a href="{href}">{match[0]}</a>' if href else match[0]

    def _citation(self, match: re.Match) -> str:
        key = f"{match['author']} {match['year1'] or match['year2']}"
        if key not in _works():
            raise InputError(f"{match[0]!r} is cited, but references.yaml does not have {key!r}")
        self.cited.add(key)
        return f"#{_anchor(key)}"

    def _place(self, match: re.Match) -> str | None:
        """Where a table, a figure or a section is; None if there is none of this name."""
        if match["kind"]:
            anchor = f"{match['kind'].lower()}-{match['number']}"
            return f"#{anchor}" if anchor in self.anchors else None
        anchor = section_anchor(match["section"])
        if anchor in self.anchors:
            return f"#{anchor}"
        page = next((p for p in self.pages if p.href.startswith(f"{match['section'][0]}_")), None)
        return f"{page.href}#{anchor}" if page else None

    def listed(self) -> list[dict[str, str]]:
        """The works that were cited, by author: anchor, authors, title, in, year, link."""
        found = [{"anchor": _anchor(k), "year": k[-4:]} | _works()[k] for k in self.cited]
        return sorted(found, key=lambda work: work["anchor"].removeprefix("ref-van-der-"))


def section_anchor(number: str) -> str:
    """The anchor of section ``2.4``, the same however the section is called."""
    return f"section-{number.replace('.', '-')}"


@cache
def _works() -> dict[str, dict[str, str]]:
    return yaml.safe_load(asset("references.yaml"))


def _anchor(key: str) -> str:
    return f"ref-{key.lower().replace(' ', '-')}"
