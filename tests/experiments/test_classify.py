"""Classifying one's own photographs: predictions, table, page, and every wrong folder."""

import base64
import csv
import io
import os
import re
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from click.testing import CliRunner
from PIL import Image

from fewshot_lib.cli.classify import _as_csv, classify
from fewshot_lib.cli.main import Commands
from fewshot_lib.data.folders import images_in
from fewshot_lib.errors import InputError
from fewshot_lib.experiments import classify as tool
from fewshot_lib.files import write_array
from fewshot_lib.learning.device import default_device
from fewshot_lib.learning.evaluation import Judge, encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.learning.weights import MEANS_FILE, load_trained, save_weights
from fewshot_lib.networks.calibration import calibrate
from fewshot_lib.report import contact_sheet

COLOURS = {"blue": (0, 0, 1), "green": (0, 1, 0), "red": (1, 0, 0)}
COLUMNS = ["file", "class", "probability", "runner_up", "runner_up_probability"]
N_SUPPORT = {"blue": 1, "green": 3, "red": 2}


@click.group(cls=Commands)
def fewshot():
    pass


fewshot.add_command(classify)


def paint(path: Path, colour: str, level: int = 255, **options) -> Path:
    """An image all of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixel = tuple(level * part for part in COLOURS[colour])
    Image.new("RGB", (40, 30), pixel).save(path, **options)
    return path


@pytest.fixture
def photos(project: Path) -> Path:
    """Supports in unequal numbers, two queries of each class, one of them in a deeper folder."""
    for colour, n in N_SUPPORT.items():
        for i in range(n):
            paint(project / "support" / colour / f"{i}.png", colour, 200 + 10 * i)
        paint(project / "query" / colour / "a.png", colour, 245)
        paint(project / "query" / colour / "deeper" / "b.jpg", colour, 205)
    return project


@pytest.fixture
def make_weights(project: Path, make_spec, bank):
    """The weights file of an untrained network; it tells colours apart as it is."""

    def make(**changes) -> Path:
        spec = make_spec(**changes)
        with seeded("test"):
            learner = make_learner(spec)
        save_weights(project / "weights.safetensors", learner, bank)
        return project / "weights.safetensors"

    return make


@pytest.fixture
def run(photos: Path, make_weights):
    """Call the command on ``photos``; the options given here replace the usual ones."""
    weights = make_weights()

    def call(*queries: Path, flags: tuple[str, ...] = (), **options):
        usual = {"run": weights, "support": photos / "support", "output": photos / "out.csv"}
        words = [f"--{k}={v}" for k, v in (usual | options).items()]
        words += [f"--query={place}" for place in queries or [photos / "query"]]
        return CliRunner().invoke(fewshot, ["classify", *flags, *words])

    return call


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def test_every_query_is_a_row_with_its_nearest_classes(run, photos):
    result = run()
    assert result.exit_code == 0, result.output
    rows = table(photos / "out.csv")
    assert list(rows[0]) == [*COLUMNS, "truth"]
    names = [f"{c}/{file}" for c in COLOURS for file in ("a.png", "deeper/b.jpg")]
    assert [row["file"] for row in rows] == names
    assert [row["class"] for row in rows] == [row["truth"] for row in rows]
    for row in rows:
        assert row["runner_up"] in set(COLOURS) - {row["class"]}
        assert re.fullmatch(r"[01]\.\d{4}", row["probability"])
        first, second = float(row["probability"]), float(row["runner_up_probability"])
        assert first >= second >= 0
        assert first + second <= 1.0001


def test_what_is_printed_tells_accuracy_numbers_and_files(run, photos):
    lines = run().stdout.splitlines()
    assert lines == [
        "accuracy 100.0 % (6 of 6 images, 95 % interval 61.0 to 100.0 %)",
        "  blue   supports 1, predicted 2, right 2 of 2",
        "  green  supports 3, predicted 2, right 2 of 2",
        "  red    supports 2, predicted 2, right 2 of 2",
        f"table: {photos / 'out.csv'}",
        f"page: {photos / 'out.html'}",
    ]


def test_without_known_classes_nothing_is_scored(run, photos):
    paint(photos / "new" / "blue.png", "blue")
    paint(photos / "new" / "elsewhere" / "red.png", "red")
    result = run(photos / "new")
    assert "accuracy" not in result.stdout
    assert "blue   supports 1, predicted 1\n" in result.stdout
    assert list(table(photos / "out.csv")[0]) == COLUMNS
    assert not page(photos / "out.html").find(string=re.compile("Accuracy"))


def test_images_of_unknown_class_are_classified_but_not_scored(run, photos):
    paint(photos / "query" / "loose.png", "red")
    assert "(6 of 6 images" in run().stdout
    loose = [row for row in table(photos / "out.csv") if not row["truth"]]
    assert [(row["file"], row["class"]) for row in loose] == [("loose.png", "red")]


def test_the_nearest_folder_named_like_a_class_is_the_truth(photos):
    classes = tool.read_supports(photos / "support")
    assert tool._true_class(Path("red/green/deep/1.png"), classes) == "green"
    assert tool._true_class(Path("other/red"), classes) == ""


def test_several_queries_count_each_image_once_and_keep_names_apart(photos):
    classes = tool.read_supports(photos / "support")
    blue, red = photos / "query" / "blue", photos / "query" / "red"
    places = [red, blue / "a.png", blue, photos / "query" / "red" / "deeper"]
    found = tool.read_queries(places, classes)
    # a.png of red is unique as the other one goes by its whole path, as it was given.
    names = ["a.png", "deeper/b.jpg", str(blue / "a.png"), "deeper/b.jpg"]
    paths = [red / "a.png", red / "deeper/b.jpg", blue / "a.png", blue / "deeper/b.jpg"]
    assert [picture.path for picture in found] == paths
    names[1], names[3] = str(paths[1]), str(paths[3])  # the same name twice
    assert [picture.name for picture in found] == names


def test_hidden_files_and_other_files_are_no_images(photos):
    folder = photos / "query"
    before = images_in(folder, folder.parent)
    paint(folder / ".trash" / "a.png", "red")
    paint(folder / "._b.png", "red")
    (folder / "notes.txt").write_text("text")
    (folder / "folder.png").mkdir()
    assert images_in(folder, folder.parent) == before


def test_equal_numbers_of_supports_give_what_an_episode_gives(photos, make_weights, method):
    trained = load_trained(make_weights(**method))
    supports = {
        c: [paint(photos / c / f"{i}.png", c, 90 + 50 * i) for i in (0, 1)] for c in COLOURS
    }
    queries = tool.read_queries([photos / "query"], supports)
    found = list(tool.classify(trained, supports, queries))
    files = [path for paths in supports.values() for path in paths]
    files += [query.path for query in queries]
    features = encode(trained.learner, trained.bank(files), default_device())
    positions = torch.arange(len(files)).unsqueeze(0)
    judge = Judge(trained.learner, features, trained.spec.n_aug_test, ("classify noise",))
    expected = judge.predict(positions[:, :6].view(1, 3, 2), positions[:, 6:])
    assert [list(COLOURS).index(p.label) for p in found] == expected[0].tolist()


def test_a_calibrated_prototype_leans_the_less_the_more_supports_it_has(photos, make_weights):
    trained, classes = load_trained(make_weights()), tool.read_supports(photos / "support")
    means = torch.randn(4, 64, generator=stream("means"))
    plain = tool._class_prototypes(trained, classes)
    found = tool._class_prototypes(trained, classes, means)
    for row, one, n_shot in zip(found, plain, N_SUPPORT.values(), strict=True):
        expected = calibrate(one.unsqueeze(0), n_shot, means, trained.learner.distance)[0]
        torch.testing.assert_close(row, expected)


def test_the_command_leans_on_the_means_beside_the_weights(run, photos):
    means, flags = photos / MEANS_FILE, ("--calibrated",)
    write_array(means, np.ones((2, 64), np.float16))
    assert run(flags=flags).exit_code == 0
    leaning = table(photos / "out.csv")
    assert run().exit_code == 0
    assert leaning != table(photos / "out.csv")
    write_array(means, np.zeros((2, 65), np.float16))
    refused = run(flags=flags)
    assert refused.exit_code == 2
    assert refused.stderr == (
        f"fewshot: {means} does not fit: delete it and make the run's report again\n"
    )


def test_a_prototype_is_the_mean_of_however_many_supports(photos, make_weights, monkeypatch):
    monkeypatch.setattr(tool, "_IMAGES_AT_ONCE", 2)  # three supports make two blocks
    trained, classes = load_trained(make_weights()), tool.read_supports(photos / "support")
    prototypes = tool._class_prototypes(trained, classes)
    for row, paths in zip(prototypes, classes.values(), strict=True):
        embedded = encode(trained.learner, trained.bank(paths), default_device()).embedded
        torch.testing.assert_close(row, embedded.mean(0))


def test_probabilities_are_the_softmax_over_the_classes(photos, make_weights):
    trained, classes = load_trained(make_weights()), tool.read_supports(photos / "support")
    queries = tool.read_queries([photos / "query"], classes)
    found = list(tool.classify(trained, classes, queries))
    bank = trained.bank([query.path for query in queries])
    embedded = encode(trained.learner, bank, default_device()).embedded
    logits = -(torch.cdist(embedded, tool._class_prototypes(trained, classes)) ** 2)
    expected, order = logits.softmax(-1).sort(descending=True)
    assert [p.probability for p in found] == pytest.approx(expected[:, 0].tolist(), abs=1e-4)
    seconds = [p.runner_up_probability for p in found]
    assert seconds == pytest.approx(expected[:, 1].tolist(), abs=1e-4)
    assert [p.label for p in found] == [list(classes)[i] for i in order[:, 0]]


def test_hallucination_changes_prototypes_and_is_the_same_each_time(photos, make_weights):
    classes = tool.read_supports(photos / "support")
    without, with_, again = (
        tool._class_prototypes(load_trained(make_weights(**changes)), classes)
        for changes in (
            {"method": "hallucination"},
            {"method": "hallucination", "n_aug_test": 3},
            {"method": "hallucination", "n_aug_test": 3},
        )
    )
    assert not torch.allclose(without, with_)
    torch.testing.assert_close(with_, again, rtol=0, atol=0)


def test_a_mixed_query_s_answer_does_not_depend_on_other_queries(photos, make_weights):
    mixed = {"method": "hallucination", "n_aug": 3, "mix_queries": True}
    trained, classes = load_trained(make_weights(**mixed)), tool.read_supports(photos / "support")
    queries = tool.read_queries([photos / "query"], classes)
    together = list(tool.classify(trained, classes, queries))
    (alone,) = tool.classify(trained, classes, queries[-1:])
    assert alone.probability == pytest.approx(together[-1].probability, rel=1e-4)
    plain = load_trained(make_weights(method="hallucination", n_aug=3))
    others = [p.probability for p in tool.classify(plain, classes, queries)]
    assert [p.probability for p in together] != pytest.approx(others, rel=1e-3)


def test_blocks_change_nothing_and_leave_nothing_out(run, photos, monkeypatch):
    run()
    whole = table(photos / "out.csv")
    monkeypatch.setattr(tool, "_IMAGES_AT_ONCE", 4)
    assert list(map(len, tool._blocks(range(10), 4))) == [4, 4, 2]
    run()
    assert [r["file"] for r in table(photos / "out.csv")] == [r["file"] for r in whole]
    assert [r["class"] for r in table(photos / "out.csv")] == [r["class"] for r in whole]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(50, 100, 0.4038, 0.5962), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],  # z²/(n+z²) = 0.2775
)
def test_wilson_s_interval(right, n, low, high):
    line = tool.accuracy_line(pd.DataFrame({"right": [right], "known": [n]}))
    assert line.endswith(f"95 % interval {100 * low:.1f} to {100 * high:.1f} %)")


def test_text_cells_are_no_formulas(photos, make_weights):
    for name in ("=1+1", "@x", "-y"):
        paint(photos / "formulas" / name / "0.png", "red")
    classes = tool.read_supports(photos / "formulas")
    query = tool.Picture(paint(photos / "+q.png", "red"), "+q.png", "=1+1")
    found = tool.classify(load_trained(make_weights()), classes, [query])
    row = next(csv.DictReader(io.StringIO(_as_csv(list(found)))))
    assert row["file"] == "'+q.png"
    assert row["truth"] == "'=1+1"
    assert row["class"][:2] in ("'=", "'@", "'-")
    assert row["runner_up"].startswith("'")


def test_the_page_shows_supports_then_queries_the_least_certain_first(run, photos):
    paint(photos / "query" / "green" / "not.png", "red")
    run()
    soup = page(photos / "out.html")
    sheets = soup.select(".sheet")
    sizes = [len(sheet.select("li")) for sheet in sheets]
    assert sizes == [1, 3, 2, 2, 2, 3]  # supports of three classes, then their queries
    red = sheets[5].select("li")
    shares = [float(li.select_one(".share span")["style"][6:-1]) for li in red]
    assert shares == sorted(shares)
    wrong = soup.select("li.wrong")
    assert [li.img["alt"] for li in wrong] == ["Query image green/not.png"]
    assert wrong[0].select_one(".mark").get_text() == "✗ is green"
    assert all("red" in li.b.get_text() for li in red)
    assert "6 of 7 images" in soup.main.p.get_text().replace("\u00a0", " ")


def test_the_page_fetches_nothing_and_every_image_has_a_text(run, photos):
    run()
    soup = page(photos / "out.html")
    assert len(soup.select("img")) == 12
    for image in soup.select("img"):
        assert image["alt"]
        assert image["src"].startswith("data:image/jpeg;base64,")
    assert not re.search(r"https?:|url\(|@import", str(soup))
    assert [tag["href"] for tag in soup.select("link")] == ["data:,"]


def test_names_are_text_on_the_page(run, photos):
    nasty = "<script>alert(1)</script>&\"'"
    name = nasty.replace("/", "")
    paint(photos / "support" / name / "0.png", "red", 250)
    paint(photos / "query" / name / f"{name}.png", "red", 250)
    assert run().exit_code == 0
    soup = page(photos / "out.html")
    assert not [script for script in soup.select("script") if "alert" in script.text]
    assert name in [h.contents[0].strip() for h in soup.select("h3")]
    assert f"Query image {name}/{name}.png" in [image["alt"] for image in soup.select("img")]


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX only")
def test_names_that_are_no_text_show_their_bytes(run, photos):
    path = photos / "query" / os.fsdecode(b"caf\xe9.png")
    try:
        paint(path, "red")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert run().exit_code == 0
    assert "caf\\xe9.png" in [row["file"] for row in table(photos / "out.csv")]


def test_the_page_caps_its_images_and_says_how_many_are_left_out(run, photos, monkeypatch):
    monkeypatch.setattr(contact_sheet, "_SUPPORTS_SHOWN", 2)
    monkeypatch.setattr(contact_sheet, "_QUERIES_SHOWN", 7)
    for i in range(10):
        paint(photos / "query" / "red" / f"{i}.png", "red", 200 + i)
    run()
    soup = page(photos / "out.html")
    sizes = [len(sheet.select("li")) for sheet in soup.select(".sheet")]
    assert sizes == [1, 2, 2, 2, 2, 7]
    notes = [note.get_text() for note in soup.select(".more")]
    assert notes[0] == "and 1 more"
    assert notes[1].startswith("5 images that the network is surer of are left out")
    assert len(table(photos / "out.csv")) == 16


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_thumbnail_is_turned_upright_cut_square_and_tells_nothing_else(tmp_path):
    picture = Image.new("RGB", (800, 400))
    picture.paste((255, 255, 255), (0, 0, 800, 200))  # its upper half is white
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 3, "where it was taken"  # held upside down
    picture.save(tmp_path / "a.jpg", exif=exif, comment=b"a secret", quality=95)
    small = decoded(contact_sheet._thumbnail(tmp_path / "a.jpg")).convert("L")
    assert small.size == (contact_sheet._THUMBNAIL, contact_sheet._THUMBNAIL)
    assert small.getpixel((48, 10)) < 20
    assert small.getpixel((48, 86)) > 235
    data = base64.b64decode(contact_sheet._thumbnail(tmp_path / "a.jpg").partition(",")[2])
    assert b"secret" not in data
    assert b"taken" not in data


def test_a_thumbnail_comes_from_the_original_and_not_from_the_network_s_pixels(tmp_path):
    stripes = Image.new("L", (96, 96))
    for x in range(0, 96, 4):
        stripes.paste(255, (x, 0, x + 2, 96))
    stripes.save(tmp_path / "a.png")
    small = decoded(contact_sheet._thumbnail(tmp_path / "a.png")).convert("L")
    low, high = small.getextrema()
    assert high - low > 200  # at the network's 16 px they would all be grey


def one_class(photos: Path) -> None:
    for name in ("green", "red"):
        (photos / "support" / name).rename(photos / name)


def loose_images(photos: Path) -> None:
    (photos / "support").rename(photos / "away")
    paint(photos / "support" / "0.png", "red")


def empty_class(photos: Path) -> None:
    (photos / "support" / "empty").mkdir()


def broken(folder: str):
    return lambda photos: (photos / folder / "red" / "x.jpg").write_bytes(b"no image")


def remove(name: str):
    return lambda photos: (photos / name).rename(photos / "elsewhere")


def no_queries(photos: Path) -> None:
    (photos / "query").rename(photos / "away")
    (photos / "query").mkdir()


WRONG = {
    "missing supports": (remove("support"), ["there is no folder", "support"]),
    "one class": (one_class, ["only one class, 'blue'", "2 or more"]),
    "no class": (loose_images, ["no class folders"]),
    "empty class": (empty_class, ["class 'empty' has no images"]),
    "image outside": (
        lambda photos: paint(photos / "support" / "0.png", "red"),
        ["0.png lies in no class"],
    ),
    "missing queries": (remove("query"), ["there is no query"]),
    "no queries": (no_queries, ["query folder", "has no images"]),
    "broken support": (broken("support"), ["support/red/x.jpg cannot be decoded"]),
    "broken query": (broken("query"), ["query/red/x.jpg cannot be decoded"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_images_are_named_in_one_line_and_nothing_is_written(run, photos, case):
    damage, words = WRONG[case]
    damage(photos)
    result = run()
    assert result.exit_code == 2
    line = result.stderr.splitlines()[-1]
    assert line.startswith("fewshot: ")
    assert all(word in line for word in words), line
    assert not list(photos.glob("out.*"))


def test_a_query_that_is_a_support_is_refused(run, photos):
    result = run(photos / "query", photos / "support")
    assert result.exit_code == 2
    assert f"{photos / 'support/blue/0.png'} is a support and a query" in result.stderr


def test_a_query_that_is_a_link_to_a_support_is_refused(photos):
    classes = tool.read_supports(photos / "support")
    (photos / "query" / "link.png").symlink_to(photos / "support" / "red" / "1.png")
    with pytest.raises(InputError, match=r"link\.png is a support and a query"):
        tool.read_queries([photos / "query"], classes)


def test_a_query_that_is_no_image_is_refused(run, photos):
    (photos / "notes.txt").write_text("text")
    assert "notes.txt is no image" in run(photos / "notes.txt").stderr


def test_a_run_that_is_not_there_is_named(run, photos):
    result = run(run=photos / "nowhere")
    assert result.exit_code == 2
    assert "there is no run or report" in result.stderr
    assert "nowhere" in result.stderr


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("file.txt/out.csv", "file.txt cannot be written"),
        ("out.html", "must end in .csv"),
        ("folder.csv", "folder.csv is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(run, photos, output, words):
    (photos / "file.txt").write_text("in the way")
    (photos / "folder.csv").mkdir()
    broken("query")(photos)  # would be found while working
    result = run(output=photos / output)
    assert result.exit_code == 2
    assert words in result.stderr.splitlines()[-1]


def test_the_output_s_folder_is_made(run, photos):
    assert run(output=photos / "new" / "deep" / "p.csv").exit_code == 0
    assert sorted(p.name for p in (photos / "new" / "deep").iterdir()) == ["p.csv", "p.html"]
