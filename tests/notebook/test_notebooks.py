"""The report as it is shipped: the real notebooks with the smoke profile, from end to end."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner

from fewshot_lib import files
from fewshot_lib.cli.main import main
from fewshot_lib.networks.adversarial import Discriminator, Extractor, Generator
from fewshot_lib.networks.encoder import PrototypicalNet, count_parameters
from fewshot_lib.networks.hallucination import HallucinatingPrototypicalNet
from fewshot_lib.spec.problems import NOTEBOOKS

CHECKOUT = Path(files.__file__).parent.parent
PAGES = ("index", *(stem for name, stem in NOTEBOOKS.items() if name != "summary"))


class Images(HTMLParser):
    """Collects the attributes of all images."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "img":
            self.found.append(found)
        elif tag == "svg" and found.get("role") == "img":
            self.found.append({"alt": found.get("aria-label")})


@pytest.fixture
def report(smoke_report: Path) -> Path:
    return smoke_report


def page(report: Path, name: str) -> str:
    return (report / f"{name}.html").read_text(encoding="utf-8")


def text_of(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def test_every_notebook_came_to_its_end(report):
    entries = json.loads((report / "run.json").read_text())["notebooks"]
    assert {name: entry["state"] for name, entry in entries.items()} == dict.fromkeys(
        NOTEBOOKS, "complete"
    )


@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_the_network_for_nothing(report, name):
    """Links to works are fine, loads are not."""
    source = page(report, name)
    assert not re.findall(r"""\ssrc=["'](?:https?:)?//[^"']+""", source)
    assert not re.findall(r"""<link[^>]+href=["'](?:https?:)?//[^"']+""", source)
    assert not re.findall(r"url\([\"']?(?:https?:)?//", source)
    assert "@import" not in source


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_has_alternative_text_and_pages_are_light(report, name):
    source = page(report, name)
    images = Images(source).found
    assert images
    assert all(image.get("alt") for image in images)
    assert len(source) < 2_500_000


@pytest.mark.parametrize("name", PAGES)
def test_pages_link_to_one_another(report, name):
    linked = set(re.findall(r'href="([\w.]+\.html)"', page(report, name)))
    assert linked >= {f"{other}.html" for other in PAGES if other != name}
    assert all((report / target).is_file() for target in linked)


def test_parameter_totals_are_printed(report):
    """Totals at this report's size and at the original's, which are those it printed."""
    networks = {
        PAGES[1]: [(PrototypicalNet(32), 3956688)],
        PAGES[2]: [(HallucinatingPrototypicalNet(32), 5289888)],
        PAGES[3]: [
            (Extractor(32), 3956688),
            (Generator(256), 1333200),
            (Discriminator(256), 640801),
        ],
    }
    for name, expected in networks.items():
        text = html.unescape(text_of(page(report, name))).replace(",", "")
        for network, original in expected:
            here = count_parameters(network)
            alone = f"Total number of params = {here}\nAt 84 pixels the original's size: {original}"
            of_three = f"{type(network).__name__}: {here} params {original} at 84 pixels"
            assert (alone if len(expected) == 1 else of_three) in text


def tables_of(report: Path, name: str) -> dict[str, BeautifulSoup]:
    """Tables of a page by their caption."""
    soup = BeautifulSoup(page(report, name), "html.parser")
    return {t.caption.get_text(" ", strip=True): t for t in soup.select("table:has(> caption)")}


def test_the_originals_values_stand_in_tables_of_their_own(report):
    """The smoke report's images are letters: nothing beside ours, no difference to it."""
    originals = {
        PAGES[1]: ["47.64", "37.43", "39.15", "39.74", "58.55", "62.96", "24.25", "45.17", "50.37"],
        PAGES[2]: ["47.64", "49.48", "36.53", "38.92", "39.72"],
        PAGES[3]: ["47.64", "49.48", "50.22"],
        "index": [],
    }
    for name, values in originals.items():
        found = tables_of(report, name)
        apart = "".join(t.get_text() for c, t in found.items() if "original report's" in c)
        others = [t for c, t in found.items() if "original report's" not in c]
        assert [value for value in values if value not in apart] == []
        heads = {th.get_text(strip=True) for table in others for th in table.select("th")}
        assert not heads & {"original", "published"}
        if name != "index":
            assert not any(value in t.get_text() for t in others for value in values)


def test_every_claim_gets_a_verdict(report):
    for name in PAGES[2:]:
        text = text_of(page(report, name))
        assert re.search(
            r"Of \d claims: \d (?:seen here|not seen here|undecided|practically)", text
        )


def test_one_seed_gives_no_verdict_on_methods(report):
    """Methods are better or worse from three seeds on; the same weights with less."""
    for name in PAGES:
        soup = BeautifulSoup(page(report, name), "html.parser")
        for odd in soup.select("details, footer, script, style"):
            odd.decompose()
        parts = [part.get_text(" ", strip=True) for part in soup.select("li, p, td")]
        words = r"is better than|is worse than|is practically equal to"
        verdicts = [part for part in parts if re.search(words, part)]
        same_weights = r"calibrated|On the same weights"
        assert all(re.search(same_weights, part) for part in verdicts), name
        claims = [part for part in parts if part in ("confirmed", "contradicted")]
        assert not claims or name == PAGES[2]  # hallucinated and real features of one network
        assert len(claims) <= 1
        if name != "index":
            assert "another seed may turn this round" in soup.get_text()


def test_every_run_says_how_it_was_trained(report):
    entries = json.loads((report / "run.json").read_text())["notebooks"]
    noted = json.loads((report / "result.json").read_text())
    for name, entry in entries.items():
        assert entry["runs"].keys() == {one["run"] for one in noted[name]}
        for training in entry["runs"].values():
            assert training["seconds"] > 0
            assert training["threads"] >= 1
            assert re.match(r"\d{4}-\d\d-\d\dT", training["finished"])


def test_formulas_are_mathml(report):
    source = page(report, PAGES[1])
    assert "<math" in source
    assert r"\frac" not in text_of(re.sub(r"<annotation.*?</annotation>", "", source, flags=re.S))


def test_trained_runs_are_shared_between_notebooks(report):
    """Problem 1's main run serves all four notebooks: one folder for every different spec."""
    specs = [p.read_text() for p in (report.parent / "runs").glob("*/spec.yaml")]
    assert len(specs) == len(set(specs)) == 15


def test_wrong_input_is_told_before_anything_runs(report, monkeypatch):
    monkeypatch.setenv("FEWSHOT_ROOT", str(report.parent.parent))
    folder = report.parent / "wrong"
    options = ["--only", "problem1", "--set", "n_way=70", "--output", str(folder)]
    result = CliRunner().invoke(main, ["report", "smoke", *options])
    assert result.exit_code == 2
    assert "train has 64 classes, 70-way needs 70" in result.stderr
    assert not (folder / "run.json").exists()


def test_notebooks_are_committed_without_outputs():
    for path in (CHECKOUT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs"), path.name
            assert cell.get("execution_count") is None, path.name
