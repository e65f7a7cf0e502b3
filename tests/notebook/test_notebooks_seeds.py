"""The real notebooks with two seeds of every setting, each as short as can be."""

import json
import re
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from click.testing import CliRunner

from fewshot_lib.cli.main import main
from fewshot_lib.notebook.sentences import words
from fewshot_lib.spec.problems import NOTEBOOKS

SHORT = {
    "n_seeds": 2,
    "epochs": 1,
    "episodes": 1,
    "episodes_compare": 1,
    "n_aug": 2,
    "n_augs": [0, 2],
    "shots": [1, 5],
    "distances": ["euclidean", "cosine"],
}
PAGES = ("index", *(stem for name, stem in NOTEBOOKS.items() if name != "summary"))


@pytest.fixture(scope="module")
def report(smoke_report: Path, tmp_path_factory) -> Path:
    """In a project of its own, with the smoke report's decoded images."""
    root, other = tmp_path_factory.mktemp("seeds"), smoke_report.parent.parent
    for name in ("notebooks", "params", ".cache"):
        (root / name).symlink_to(other / name)
    options = [part for item in SHORT.items() for part in ("--set", "{}={}".format(*item))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWSHOT_ROOT", str(root))
        result = CliRunner().invoke(main, ["report", "smoke", *options])
    assert result.exit_code == 0, result.output
    return root / "reports" / "smoke"


def soup(report: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((report / f"{name}.html").read_text("utf-8"), "html.parser")


def test_every_setting_has_two_runs(report):
    noted = json.loads((report / "result.json").read_text())
    names = {entry["run"] for entries in noted.values() for entry in entries}
    specs = [yaml.safe_load((report.parent / "runs" / n / "spec.yaml").read_text()) for n in names]
    settings = [{k: v for k, v in spec.items() if k != "seed"} for spec in specs]
    for setting, spec in zip(settings, specs, strict=True):
        seeds = sorted(
            s["seed"] for s, other in zip(specs, settings, strict=True) if other == setting
        )
        assert seeds == [0, 1], spec


@pytest.mark.parametrize("name", PAGES)
def test_tables_and_curves_say_that_there_are_seeds(report, name):
    page = soup(report, name)
    captions = [c.get_text(" ", strip=True) for c in page.find_all("caption")]
    accuracies = [c for c in captions if "ccuracy in %" in c]
    assert accuracies
    assert all("mean over 2 seeds" in caption for caption in accuracies)
    below = [c.get_text(" ", strip=True) for c in page.find_all("figcaption")]
    assert any(words(2).lines.strip() in caption for caption in below)
    assert any("Each point is one seed" in caption for caption in below)


def test_what_an_interval_is_is_said_once(report):
    page = soup(report, PAGES[1])
    text = re.sub(r"\s+", " ", page.get_text())
    assert text.count("is trained with 2 seeds") == 1
    assert "1.96" not in text
    assert "0 to 1" in text  # the seeds among the training details


def test_maps_and_galleries_say_whose_they_are(report):
    for name in PAGES:
        captions = [
            c.get_text() for c in soup(report, name).select("figure.interactive figcaption")
        ]
        assert captions
        assert all("The first of 2 seeds." in caption for caption in captions)


def test_one_seed_is_not_spoken_of(smoke_report):
    for name in PAGES:
        page = soup(smoke_report, name)
        for odd in page.select("details, footer, script, style, table td"):
            odd.decompose()
        assert not re.search(r"\d seeds|thin lines", page.get_text(), re.IGNORECASE)
