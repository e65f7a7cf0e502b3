"""Interactive maps: what stands in the page, for eyes, keyboards and screen readers."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from fewshot_lib.notebook import interactive, maps
from fewshot_lib.notebook.features import Cloud, tsne
from fewshot_lib.notebook.maps import _fitted, _map_html, show_map

EVIL = '</script><b>"&'


def frame(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["x", "y", "class", "kind", "image"])


FRAME = frame(
    (0.0, 0.0, "a", "real", 3),
    (2.0, 1.0, EVIL, "real", 14),
    (4.0, 2.0, "a", "hallucinated", 3),
    (1.0, 4.0, "a", "hallucinated", 3),
    (2.0, 2.0, "a", "prototype", -1),
)


@pytest.fixture
def soup(bank) -> BeautifulSoup:
    return BeautifulSoup(
        _map_html({"one": FRAME, EVIL: FRAME}, bank, "two maps", "Below."), "html.parser"
    )


def group(soup, kind: str, k: int):
    """The marks of a kind and class in the first panel."""
    return soup.select_one(".panel").select(f"g.{kind}.k{k} use")


def test_every_feature_has_a_mark_of_its_kind_and_class(soup):
    assert len(soup.select(".panel")) == 2
    counts = {(kind, k): len(group(soup, kind, k)) for kind in maps._DRAWN for k in (0, 1)}
    assert counts == {
        ("real", 0): 1,
        ("real", 1): 1,
        ("hallucinated", 0): 2,
        ("hallucinated", 1): 0,
        ("prototype", 0): 1,
        ("prototype", 1): 0,
    }


def test_real_marks_lie_on_hallucinated_ones_and_prototypes_on_both(soup):
    kinds = [g["class"][0] for g in soup.select_one(".panel").select("g")]
    assert list(dict.fromkeys(kinds)) == ["hallucinated", "real", "prototype"]


def test_marks_refer_to_shapes_that_are_there(soup):
    targets = {use["href"] for use in soup.select("use")}
    assert {f"#{path['id']}" for path in soup.select("defs path")} == targets


def test_a_map_fills_its_panel():
    found = _fitted(FRAME)
    assert (found["x"].min(), found["x"].max()) == (14, 286)
    assert found["y"].tolist() == pytest.approx([14, 82, 150, 286, 150])


def test_a_map_of_one_point_can_be_drawn():
    assert _fitted(FRAME[:1])[["x", "y"]].notna().all(axis=None)


def test_marks_know_the_image_they_were_made_from(soup, bank):
    assert [use.get("data-i") for use in group(soup, "hallucinated", 0)] == ["0", "0"]
    assert group(soup, "real", 1)[0]["data-i"] == "1"
    assert group(soup, "prototype", 0)[0].get("data-i") is None


def test_each_image_is_stored_once(bank):
    uri = maps._thumbnails(bank, [3, 14])
    sheet = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert sheet.size == (160, 16)  # ten places of 16 pixels
    expected = bank.images[14].double().mean((1, 2))
    found = torch.tensor(np.asarray(sheet.crop((16, 0, 32, 16)))).double().mean((0, 1))
    assert torch.allclose(found, expected, atol=4)
    assert _map_html({"one": FRAME, "two": FRAME}, bank, "maps", "").count("data:image") == 1


def test_many_large_images_stay_small(make_bank):
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randint(0, 256, (100, 3, 84, 84), dtype=torch.uint8, generator=generator)
    bank = make_bank(100)
    object.__setattr__(bank, "images", noisy)
    assert len(maps._thumbnails(bank, list(range(100)))) <= maps._SHEET


def test_names_are_escaped_everywhere(bank):
    html = _map_html({EVIL: FRAME}, bank, EVIL, EVIL)
    assert EVIL not in html
    assert html.count("</script>") == 1
    soup = BeautifulSoup(html, "html.parser")
    assert soup.figure["data-alt"] == soup.figcaption.text == EVIL
    assert EVIL in soup.select("label.k")[1].text
    assert [name.text for name in soup.select(".k span")] == ["a", EVIL]


def test_the_page_has_the_description_and_labelled_switches(soup):
    figure = soup.figure
    assert figure["data-alt"] == "two maps"
    assert figure.figcaption.text == "Below."
    assert [label.text.strip() for label in soup.select("label.kind")] == [
        "× real",
        "▲ hallucinated",
        "★ prototype",
    ]
    assert all(label.input["type"] == "checkbox" for label in soup.select("label"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in soup.select(".panel svg"))


def test_switches_are_only_for_kinds_that_are_there(bank):
    html = _map_html({"one": FRAME[FRAME["kind"] == "real"]}, bank, "real ones", "")
    assert [i["class"] for i in BeautifulSoup(html, "html.parser").select(".kind input")] == [
        ["real"]
    ]


def test_style_and_ids_are_the_figure_s_own_and_depend_on_content_alone(bank, soup):
    name = soup.figure["id"]
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]*\{", "", soup.style.string))
    selectors = [s for rule in rules for s in re.split(r",(?![^(]*\))", rule.strip())]
    assert [s for s in selectors if f"#{name}" not in s] == []
    assert _map_html({"one": FRAME}, bank, "x", "") == _map_html({"one": FRAME}, bank, "x", "")
    other = BeautifulSoup(_map_html({"one": FRAME}, bank, "y", ""), "html.parser")
    assert other.figure["id"] != name


def test_nothing_is_fetched(soup):
    assert not re.search(r"https?:|@import|src=", str(soup))


def test_a_map_without_description_is_refused(bank):
    with pytest.raises(ValueError, match="alternative text"):
        show_map({"one": FRAME}, bank, " ")


def test_a_map_of_the_usual_size_is_light(make_bank):
    """Three panels of five classes, 20 images, 3 fakes of each."""
    bank, generator = make_bank(*[20] * 5), torch.Generator().manual_seed(0)
    real, fake = (torch.randn(*s, 4, generator=generator) for s in ((5, 20), (5, 20, 3)))
    found = tsne(Cloud(real, fake, bank.class_names, torch.arange(100).view(5, 20)))
    html = _map_html({str(i): found for i in range(3)}, bank, "maps", "")
    assert len(html.encode()) < 250_000


def test_maps_are_displayed_as_html_with_a_plain_word(bank, monkeypatch):
    shown = []
    monkeypatch.setattr(interactive, "display", lambda data, raw: shown.append(data))
    show_map({"one": FRAME}, bank, "one map", "Below.")
    expected = _map_html({"one": FRAME}, bank, "one map", "Below.")
    assert shown == [{"text/html": expected, "text/plain": "one map"}]
