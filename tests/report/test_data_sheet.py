"""``fewshot data``: what it says of a source, and the sheet of examples it draws."""

import shutil
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from fewshot_lib import files
from fewshot_lib.cli.data import data
from fewshot_lib.cli.main import Commands
from fewshot_lib.data.bank import ImageBank
from fewshot_lib.errors import InputError
from fewshot_lib.report.data_sheet import (
    _evenly,
    _grid,
    _printable,
    _sheet,
    _table,
)
from fewshot_lib.spec.profiles import read_params

CHECKOUT = Path(files.__file__).parent.parent
SIZE = 16


def run(*arguments: str) -> click.testing.Result:
    return CliRunner().invoke(Commands(commands={"data": data}), ["data", *map(str, arguments)])


@pytest.fixture
def pets(project) -> Path:
    """Six classes of two images, one of them with three."""
    for i, name in enumerate(("ant", "bee", "cat", "dog", "eel", "fox")):
        (project / "pets" / name).mkdir(parents=True)
        for j in range(3 if name == "ant" else 2):
            picture = Image.new("RGB", (SIZE, SIZE), (40 * i, 100 * j, 0))
            picture.save(project / "pets" / name / f"{j}.png")
    return project / "pets"


ARGUMENTS = ("--set", f"image_size={SIZE}", "--set", "val_classes=[cat]", "--set", "test_classes=0")


def test_prints_a_table_remarks_and_the_path_of_the_sheet(pets, project):
    result = run("folder", "--data-dir", pets, *ARGUMENTS)
    assert result.exit_code == 0, result.output
    heading, train, val, *rest, path = result.stdout.splitlines()
    assert heading.split() == ["split", "classes", "images/class", "images", "fingerprint"]
    assert train.split()[:4] == ["train", "5", "2–3", "11"]
    assert val.split()[:4] == ["val", "1", "2", "2"]
    assert len(train.split()[4]) == len(val.split()[4]) == 12
    assert rest == []  # without the profiles there is no report to be made
    assert path == str(project / "reports" / "data" / "folder.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1600
    assert result.stderr.splitlines()[0] == "train: preparing images of 16 px"


def test_a_second_call_prints_the_same_from_the_cache(pets):
    first = run("folder", "--data-dir", pets, *ARGUMENTS)
    assert run("folder", "--data-dir", pets, *ARGUMENTS).stdout == first.stdout


def test_relative_folders_start_at_the_shell_s(pets, tmp_path, monkeypatch):
    (pets.parent / "elsewhere").mkdir()
    monkeypatch.chdir(pets.parent / "elsewhere")
    result = run("folder", "--data-dir", "../pets", *ARGUMENTS, "--output", "a/pets.png")
    assert result.stdout.splitlines()[-1] == "a/pets.png"
    assert Path("a/pets.png").is_file()
    again = run("folder", "--set", "data_dir=../pets", *ARGUMENTS, "--output", "b.png")
    assert again.stdout.splitlines()[:-1] == result.stdout.splitlines()[:-1]


def test_the_default_source_needs_no_folder(project):
    result = run("glyphs", "--set", "images_per_class=2", "--set", f"image_size={SIZE}")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:4]] == ["train", "val", "test"]


WRONG = {
    "source": (["foldr"], "source='foldr': Input should be 'glyphs', "),
    "no folder given": (["folder"], "source 'folder' needs its folder: set data_dir"),
    "name": (
        ["glyphs", "--set", "imagesize=32"],
        "unknown parameter 'imagesize' (did you mean 'image_size'",
    ),
    "not a field": (["glyphs", "--set", "n_way=5"], "unknown parameter 'n_way'"),
    "the source": (["glyphs", "--set", "source=folder"], "source is given twice"),
    "form": (["glyphs", "--set", "image_size"], "--set image_size: expected the form key=value"),
    "yaml": (["glyphs", "--set", "val_classes=[a"], "val_classes='[a': YAML, line 1: "),
    "value": (["glyphs", "--set", "image_size=8"], "image_size=8: "),
    "twice": (["folder", "--data-dir", "a", "--set", "data_dir=b"], "data_dir is given twice"),
    "not used": (["glyphs", "--set", "val_classes=0.3"], "source 'glyphs' does not use val_cl"),
    "folder missing": (["folder", "--data-dir", "/nowhere"], "no folder /nowhere: data_dir must"),
    "output": (["glyphs", "--output", "sheet.jpg"], "sheet.jpg cannot be the sheet: name a file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_status_2(project, case):
    arguments, message = WRONG[case]
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"fewshot: {message}")


def test_a_sheet_that_cannot_be_written_is_named_after_the_table(pets):
    (pets.parent / "file").write_text("no folder")
    output = pets.parent / "file" / "sheet.png"
    result = run("folder", "--data-dir", pets, *ARGUMENTS, "--output", output)
    assert result.exit_code == 2
    assert "train" in result.stdout
    assert result.stderr.splitlines()[-1].startswith(f"fewshot: {output} cannot be written: ")


def test_settings_are_read_as_yaml():
    params = read_params("folder", "/pets", ["val_classes=[a, b]", "test_classes=0.5"])
    assert (params.val_classes, params.test_classes) == (["a", "b"], 0.5)


def test_values_are_as_strict_as_in_a_profile():
    with pytest.raises(InputError, match="image_size='large'"):
        read_params("glyphs", None, ["image_size=large"])


def test_numbers_of_the_table_are_aligned(make_bank):
    assert _table({"train": make_bank(*[2] * 12), "test": make_bank(3, 4)}).splitlines() == [
        "split classes images/class images fingerprint",
        "train      12            2     24            ",
        " test       2          3–4      7            ",
    ]


@pytest.fixture
def profiles(project) -> None:
    (project / "params").symlink_to(CHECKOUT / "params")


def test_the_command_that_makes_a_report_of_few_images_is_told(pets, profiles):
    for name in ("gnu", "hen", "ibex", "jay", "kiwi", "lion"):
        (pets / name).mkdir()
    for i, folder in enumerate(sorted(pets.iterdir())):
        for j in range(10):
            colour = (20 * i, 25 * j, 99)
            Image.new("RGB", (SIZE, SIZE), colour).save(folder / f"{j}.png")
    *_, command, _ = run("folder", "--data-dir", pets).stdout.splitlines()
    assert command == (
        "to make a report of it: fewshot report --set source=folder "
        f"--set data_dir={pets} --set images_per_class=null --set n_way=8 --set n_way_test=2 "
        "--set n_query_test=5 --set 'shots=[1,5]'"
    )


def test_too_few_images_for_any_report_are_told(pets, profiles):
    *_, line, _ = run("folder", "--data-dir", pets).stdout.splitlines()
    assert line.startswith("too small for a report: it takes 2 classes of 6 images")


def test_what_is_passed_over_is_counted_in_one_line(pets):
    (pets / "@eaDir" / "ant").mkdir(parents=True)
    (pets / "bee" / "notes.txt").write_text("of a bee")
    (pets / "bee" / "Thumbs.db").write_text("")
    result = run("folder", "--data-dir", pets, *ARGUMENTS)
    (line,) = [line for line in result.stdout.splitlines() if "passed over" in line]
    assert line == "passed over: folder @eaDir (1), file .db (1), file .txt (1)"


def test_images_that_stand_there_twice_are_told(pets):
    shutil.copy(pets / "bee" / "0.png", pets / "bee" / "copy.png")
    result = run("folder", "--data-dir", pets, *ARGUMENTS)
    assert (
        "train holds 1 image twice (bee/0.png = bee/copy.png): a support may be a query"
        in result.stdout.splitlines()
    )


def test_examples_are_taken_at_even_distances():
    assert _evenly(3) == [0, 1, 2]
    assert _evenly(8) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert _evenly(15) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert _evenly(600)[-1] == 599


def levels_bank(*sizes: int, names: list[str] | None = None) -> ImageBank:
    """Image i of all is grey of level i."""
    n = sum(sizes)
    return ImageBank(
        images=torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 3, 2, 2),
        labels=torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)),
        class_names=names or [f"class {i}" for i in range(len(sizes))],
        ids=[str(i) for i in range(n)],
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )


def test_the_grid_has_a_row_for_each_class_and_white_where_images_are_lacking():
    canvas = _grid(levels_bank(2, 15, 1), [0, 1, 2], side=3)
    assert canvas.shape == (3, 9, 24)
    assert canvas[0, ::3, ::3].tolist() == [
        [0, 1] + [255] * 6,
        [2, 4, 6, 8, 10, 12, 14, 16],
        [17] + [255] * 7,
    ]
    assert canvas[:, 2].min() == canvas[:, :, 2].min() == 255  # gaps


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n01532829", "n01532829"),
        ("Greek small letter theta", "Greek small letter\ntheta"),
        ("théta_ß", "théta_ß"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("猫", "\\u732b"),
        ("\udcff", "\\udcff"),
        ("$x_1$", "\\$x_1\\$"),
        ("   ", "(blank)"),
    ],
)
def test_class_names_are_shown_safely(name, expected):
    assert _printable(name) == expected


@pytest.mark.parametrize("name", ["begin" + "x" * 200 + "end 17", "begin" * 3 + " of words 17"])
def test_long_class_names_keep_their_beginning_and_their_end(name):
    shown = _printable(name).split("\n")
    assert len(shown) == 2
    assert max(map(len, shown)) <= 18
    assert shown[0].startswith("begin")
    assert shown[1].endswith("17")


def test_a_sheet_draws_names_that_look_like_mathematics(recwarn):
    names = ["$\\frac{", "a_$b$", "<b>", "猫", "%s {0}", "\\alpha", "W" * 300]
    figure = _sheet({"train": levels_bank(*[1] * 7, names=names)})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    texts = axes.get_yticklabels()
    assert [text.get_text() for text in texts] == [_printable(name) for name in names]
    assert axes.get_title(loc="left") == "train: 7 of 7 classes"
    assert min(text.get_window_extent().x0 for text in texts) >= 0
    assert not recwarn.list
