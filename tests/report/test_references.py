"""Links to what a text names."""

import re

import pytest
import yaml
from bs4 import BeautifulSoup

from fewshot_lib.errors import InputError
from fewshot_lib.notebook.style import asset
from fewshot_lib.report.pages import Page
from fewshot_lib.report.references import References

PAGES = [Page("index.html", "Summary"), Page("2_data.html", "Two")]


def links(html: str) -> dict[str, str]:
    references = References({"table-1", "figure-2", "section-1-3"}, PAGES)
    soup = BeautifulSoup(references.link(html), "html.parser")
    return {a.get_text(): a["href"] for a in soup.find_all("a")}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("as (Snell, Swersky and Zemel, 2017) do", "Snell, Swersky and Zemel, 2017"),
        ("Snell et al. (2017) do", "Snell et al. (2017)"),
        ("53.47 (Snell et al. 2017)", "Snell et al. 2017"),
    ],
)
def test_a_work_is_linked_however_it_is_cited(text, named):
    assert links(f"<p>{text}</p>") == {named: "#ref-snell-2017"}


def test_a_work_that_nobody_knows_is_refused():
    with pytest.raises(InputError, match=r"'Nobody et al\., 1999' is cited, but .* 'Nobody 1999'"):
        links("<p>Nobody et al., 1999</p>")


def test_tables_figures_and_sections_are_linked_where_there_are_any():
    found = links("<p>Table 1, Figure 2, Figure 7, section 1.3, Section 2.4, section 3.1</p>")
    assert found == {
        "Table 1": "#table-1",
        "Figure 2": "#figure-2",
        "section 1.3": "#section-1-3",
        "Section 2.4": "2_data.html#section-2-4",
    }


@pytest.mark.parametrize("tag", ["code", "pre", "svg", "script", "a href='#x'"])
def test_code_drawings_and_links_are_left_alone(tag):
    html = f"<p><{tag}>Table 1 &lt; Snell et al. 2017</{tag.split()[0]}></p>"
    assert References({"table-1"}, PAGES).link(html).count("#") == html.count("#")


def test_markup_in_a_text_stays_text():
    assert "&lt;b&gt; " in References({"table-1"}, []).link("<p>&lt;b&gt; Table 1</p>")


def test_every_work_has_all_that_a_list_shows():
    for key, work in yaml.safe_load(asset("references.yaml")).items():
        assert re.fullmatch(r"[\w ]+ \d{4}", key)
        assert set(work) == {"authors", "title", "in", "link"}
        surname = key[:-5]
        assert work["authors"].split(",")[0].endswith(surname)
        assert work["link"].startswith("https://")
