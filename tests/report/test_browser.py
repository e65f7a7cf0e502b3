"""The pages in a real browser: nothing fetched, nothing out of reach, nothing too wide."""

import re
from pathlib import Path

import pytest
from browser import CHROMIUM, opened, write_gallery

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH")

NAMES = (
    "index",
    "1_prototypical_network",
    "2_data_hallucination",
    "3_improved_hallucination",
    "gallery",
    "overview",
)
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1440, "height": 900}
TABLET = {"width": 1024, "height": 768}
UNFOLD = "document.querySelectorAll('details').forEach(fold => { fold.open = true; })"


@pytest.fixture(scope="module")
def pages(smoke_report, make_bank, tmp_path_factory) -> dict[str, Path]:
    """Every kind of page, by name."""
    gallery, overview = write_gallery(tmp_path_factory.mktemp("gallery"), make_bank(6, 6))
    pages = {path.stem: path for path in smoke_report.glob("*.html")}
    return pages | {"gallery": gallery, "overview": overview}


@pytest.fixture(scope="module")
def browser(pages):
    """Open for this file alone: while it runs nothing else can run an event loop."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(params=NAMES)
def path(request, pages) -> Path:
    return pages[request.param]


def test_no_request_leaves_the_page_and_nothing_is_complained_of(browser, path):
    with opened(browser, path, viewport=DESK) as page:
        page.evaluate(UNFOLD)
        page.keyboard.press("End")
        page.wait_for_timeout(100)
        assert page.faults == []


def test_every_picture_has_alternative_text_and_a_number(browser, path):
    with opened(browser, path) as page:
        pictures = page.locator("main :is(img, svg[role=img])").all()
        names = [p.get_attribute("alt") or p.get_attribute("aria-label") for p in pictures]
        assert all(names)
        labels = page.locator("figcaption > .label").all_inner_texts()
        assert labels == [f"Figure {i + 1}" for i in range(page.locator("figure").count())]
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))


def test_the_page_itself_never_scrolls_sideways(browser, path):
    with opened(browser, path) as page:
        page.evaluate(UNFOLD)
        for viewport in (PHONE, DESK):
            page.set_viewport_size(viewport)
            assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


WITHOUT_HINT = """() => {
  const right = document.querySelector("main").getBoundingClientRect().right + 1;
  const boxes = [...document.querySelectorAll("main :is(.table, .plate)")];
  const silent = boxes.filter(b => b.scrollWidth > b.clientWidth + 1 && !("scrolls" in b.dataset));
  const free = [...document.querySelectorAll("main :is(table, figure)")].filter(
    e => e.getBoundingClientRect().right > right && !e.closest("[data-scrolls]"));
  return [...silent, ...free].map(e => e.outerHTML.slice(0, 80));
}"""


def test_what_is_wider_than_its_column_says_that_it_scrolls(browser, path):
    with opened(browser, path) as page:
        page.evaluate(UNFOLD)
        for viewport in (PHONE, TABLET, DESK):
            page.set_viewport_size(viewport)
            page.wait_for_timeout(150)
            assert page.evaluate(WITHOUT_HINT) == []


def test_panels_of_a_figure_stack_on_a_phone(browser, pages):
    with opened(browser, pages["gallery"]) as page:
        whole, panels = (
            page.locator("#figure-3 .plate > svg"),
            page.locator("#figure-3 .panels > svg"),
        )
        page.set_viewport_size(DESK)
        assert whole.is_visible()
        assert not panels.first.is_visible()
        page.set_viewport_size(PHONE)
        assert not whole.is_visible()
        first, second = (panel.bounding_box() for panel in panels.all())
        assert second["y"] >= first["y"] + first["height"]
        assert first["x"] + first["width"] <= PHONE["width"]


def test_every_link_within_the_page_and_every_citation_has_a_target(browser, path):
    with opened(browser, path) as page:
        missing = page.evaluate("""() => [...document.querySelectorAll("a[href^='#']")].filter(
          a => !document.getElementById(decodeURIComponent(a.hash.slice(1)))).map(a => a.hash)""")
        assert missing == []
        text = page.evaluate("""() => {
          const main = document.querySelector("main").cloneNode(true);
          main.querySelectorAll("a, pre, svg, script, style").forEach(e => e.remove());
          return main.textContent; }""")
        assert re.findall(r"[A-Z][a-z]+ et al\.,? \(?\d{4}", text) == []


@pytest.mark.parametrize(
    "look", [("light", DESK), ("dark", PHONE)], ids=["light-desk", "dark-phone"]
)
def test_axe_finds_nothing_serious(browser, path, look):
    scheme, viewport = look
    with opened(browser, path, viewport=viewport, color_scheme=scheme) as page:
        page.evaluate(UNFOLD)
        found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"], v["nodes"][0]["any"]) for v in serious] == []


def follow(page, link):
    """Click, and wait for the page it leads to."""
    with page.expect_navigation():
        page.click(link)


def test_a_reader_can_leaf_through_the_report_and_back(browser, pages):
    with opened(browser, pages["index"]) as page:
        titles = [page.title()]
        while page.locator("a[rel=next]").count():
            follow(page, "a[rel=next]")
            titles.append(page.title())
        assert [title.partition(" ·")[0] for title in titles[1:]] == [
            "Problem 1",
            "Problem 2",
            "Problem 3",
        ]
        follow(page, "a[rel=prev]")
        assert page.title() == titles[2]
        follow(page, ".turn a:not([rel])")
        assert page.title() == titles[0]
        follow(page, ".bar a:nth-child(2)")
        follow(page, ".steps a:last-child")
        assert page.title() == titles[2]


def test_code_is_unfolded_one_by_one_and_all_at_once(browser, pages):
    with opened(browser, pages["gallery"], viewport=DESK) as page:
        folds, unfolded = "details.source", "details.source[open]"
        page.locator(folds).first.locator("summary").click()
        assert page.locator(unfolded).count() == 1
        page.click("text=Show code")
        assert page.locator(unfolded).count() == page.locator(folds).count() == 6
        page.click("text=Hide code")
        assert page.locator(unfolded).count() == 0


def test_without_script_everything_is_there(browser, pages):
    with opened(browser, pages["gallery"], viewport=PHONE, java_script_enabled=False) as page:
        assert not page.locator(".unfold").is_visible()
        assert page.locator(".toc a").first.is_visible()
        page.locator("details.code summary").first.click()
        assert page.locator("details.code .table").first.is_visible()
        assert page.locator("details.source summary").first.is_visible()


def test_the_contents_tell_where_the_reader_is(browser, pages):
    with opened(browser, pages["gallery"], viewport=DESK) as page:
        current = page.locator(".toc [aria-current]")
        assert current.count() == 0
        page.click(".toc >> text=Figures")
        current.wait_for()
        assert current.all_inner_texts() == ["Figures"]
        assert page.locator(".toc").bounding_box()["y"] >= 0
        page.keyboard.press("End")
        page.locator(".toc a[href='#the-end'][aria-current]").wait_for()
        assert current.count() == 1


def test_the_keyboard_stops_where_there_is_something_to_scroll(browser, pages):
    for viewport, expected in ((PHONE, "0"), (DESK, None)):
        with opened(browser, pages["gallery"], viewport=viewport) as page:
            page.wait_for_timeout(100)
            plate = page.locator("#figure-1 .plate")
            assert plate.get_attribute("tabindex") == expected
            assert page.locator("#table-1").get_attribute("tabindex") == "0"


def test_the_first_stop_skips_to_the_content(browser, pages):
    with opened(browser, pages["gallery"]) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.url.endswith("#content")


def test_paper_is_white_and_shows_unfolded_code_alone(browser, pages):
    with opened(browser, pages["gallery"], color_scheme="dark") as page:
        page.locator("details.source summary").nth(0).click()
        page.emulate_media(media="print", color_scheme="dark")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"
        for hidden in (".bar", ".toc", ".steps", ".turn", "details.source summary"):
            assert not page.locator(hidden).first.is_visible()
        shown = [pre.is_visible() for pre in page.locator("details.source pre").all()]
        assert shown == [True] + [False] * 5
        assert page.pdf().startswith(b"%PDF")


# What a colour becomes under the style sheet's filter, and its contrast with the page's ground.
DARK_TEXTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const pixel = (colour, filter) => {
    canvas.clearRect(0, 0, 1, 1); canvas.filter = filter; canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(
    v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4
  ).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = light(pixel(getComputedStyle(document.body).backgroundColor, "none"));
  const drawings = [...document.querySelectorAll(".plate > svg")].filter(
    svg => svg.querySelectorAll("text").length < 100);  // a matrix writes on its own cells
  return drawings.flatMap(svg =>
    [...svg.querySelectorAll("text")].map(t => {
      const look = getComputedStyle(t);
      const l = light(pixel(look.fill, getComputedStyle(svg).filter));
      return [t.textContent, (Math.max(l, ground) + .05) / (Math.min(l, ground) + .05)];
    }));
}"""


def test_texts_of_figures_can_be_read_in_the_dark(browser, path):
    with opened(browser, path, color_scheme="dark") as page:
        assert [text for text, contrast in page.evaluate(DARK_TEXTS) if contrast < 4.5] == []


def test_a_drawing_is_dark_on_a_dark_page_but_photographs_keep_their_colours(browser, pages):
    with opened(browser, pages["gallery"], color_scheme="dark") as page:
        filters = [
            page.evaluate("s => getComputedStyle(document.querySelector(s)).filter", selector)
            for selector in ("#figure-1 .plate img", "#figure-2 svg")
        ]
        assert "invert" not in filters[0]
        assert "invert" in filters[1]
