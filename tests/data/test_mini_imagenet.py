"""mini-ImageNet's folders: both layouts, and every way in which they can be incomplete."""

import io
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from fewshot_lib.data.sources import mini_imagenet
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams

CLASSES = ("n03", "n01", "n02")  # not sorted, as in the real files
PER_CLASS = 4
SIZE = 24


def grey(level: int, size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def write_split(table: Path, folder: Path, ids: bool) -> None:
    """Classes interleaved in the CSV; image i of class c is grey of level 60 c + 10 i."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["id,filename,label" if ids else "filename,label"]
    for i in range(PER_CLASS):
        for c, name in enumerate(CLASSES):
            grey(60 * c + 10 * i).save(folder / f"{table.stem}_{name}_{i}.jpg", quality=95)
            number = f"{i * len(CLASSES) + c}," if ids else ""
            lines.append(f"{number}{table.stem}_{name}_{i}.jpg,{name}")
    table.write_text("\n".join(lines) + "\n")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        write_split(tmp_path / f"{split}.csv", tmp_path / split, ids=True)
    return tmp_path


def params(folder: Path, **changes) -> DataParams:
    values = {"source": "mini_imagenet", "data_dir": str(folder), "image_size": SIZE}
    return DataParams.check(values | changes)


def levels(bank) -> list[int]:
    """Mean grey level of each image, to the nearest ten: tells which image it is."""
    return [round(x / 10) * 10 for x in bank.images.float().mean((1, 2, 3)).tolist()]


def test_course_layout_gives_sorted_classes_in_the_order_of_the_table(course):
    bank = mini_imagenet.listing(params(course), "val").load()
    assert bank.class_names == ["n01", "n02", "n03"]
    assert bank.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert bank.labels.dtype == torch.int64
    assert bank.ids == ["1", "4", "7", "10", "2", "5", "8", "11", "0", "3", "6", "9"]
    assert levels(bank) == [60, 70, 80, 90, 120, 130, 140, 150, 0, 10, 20, 30]
    assert bank.images.shape == (12, 3, SIZE, SIZE)
    assert bank.images.dtype == torch.uint8


def test_split_layout_uses_file_names_as_ids_and_has_a_test_split(tmp_path):
    for split in ("train", "val", "test"):
        write_split(tmp_path / f"{split}.csv", tmp_path / "images", ids=False)
    bank = mini_imagenet.listing(params(tmp_path), "test").load()
    assert bank.ids[:2] == ["test_n01_0.jpg", "test_n01_1.jpg"]
    assert levels(bank)[:4] == [60, 70, 80, 90]


def test_images_per_class_takes_the_first_ones(course):
    bank = mini_imagenet.listing(params(course, images_per_class=2), "train").load()
    assert bank.ids == ["1", "4", "2", "5", "0", "3"]
    assert levels(bank) == [60, 70, 120, 130, 0, 10]


def test_a_table_with_a_byte_order_mark_is_read(course):
    table = course / "val.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert mini_imagenet.listing(params(course), "val").load().ids[0] == "1"


def truncate(course: Path) -> None:
    file = course / "val" / "val_n02_1.jpg"
    whole = io.BytesIO()
    Image.effect_noise((SIZE, SIZE), 80).save(whole, "JPEG")
    file.write_bytes(whole.getvalue()[:-100])


def lose_two_images(course: Path) -> None:
    for name in ("val_n01_2.jpg", "val_n03_3.jpg"):
        (course / "val" / name).unlink()


def lose_the_folder(course: Path) -> None:
    (course / "val").rename(course / "elsewhere")


def rewrite(text: str):
    return lambda course: (course / "val.csv").write_text(text)


BROKEN = {
    "truncated image": (truncate, ["val_n02_1.jpg cannot be decoded", "copy it again"]),
    "missing images": (lose_two_images, ["2 of 12 images", "val_n01_2.jpg", "extract"]),
    "missing folder": (lose_the_folder, ["no images for", "val.csv", "images/"]),
    "missing table": (lambda f: (f / "val.csv").unlink(), ["no split 'val'", "only: train)"]),
    "missing label": (rewrite("id,filename\n0,a.jpg\n"), ["val.csv", "no column 'label'"]),
    "missing filename": (rewrite("id,label\n0,a\n"), ["val.csv", "no column 'filename'"]),
    "short line": (
        rewrite("filename,label\na.jpg,a\nb.jpg\n"),
        ["val.csv, line 3: 1 values for 2 columns"],
    ),
    "only a header": (rewrite("filename,label\n"), ["val.csv lists no images"]),
    "empty table": (rewrite(""), ["val.csv", "no column 'filename'"]),
    "not text": (
        lambda f: (f / "val.csv").write_bytes(b"filename,label\n\xff\xfe"),
        ["val.csv, line 2: not in UTF-8", "save it as CSV in UTF-8"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_named_in_one_line(course, case):
    damage, words = BROKEN[case]
    damage(course)
    with pytest.raises(InputError) as caught:
        mini_imagenet.listing(params(course), "val").load()
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_missing_data_dir_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no folder .*nowhere: data_dir"):
        mini_imagenet.listing(params(tmp_path / "nowhere"), "train")


def test_a_folder_without_any_table_says_what_it_must_hold(tmp_path):
    with pytest.raises(InputError, match=r"data_dir must hold train\.csv"):
        mini_imagenet.listing(params(tmp_path), "train")


def test_a_split_that_is_not_there_is_refused(course):
    with pytest.raises(InputError, match=r"no split 'test'.*only: train, val"):
        mini_imagenet.listing(params(course), "test").load()


def test_a_class_that_is_too_small_is_named_with_its_number(course):
    with pytest.raises(InputError, match=r"class 'n01' has only 4 images.*=5 to 4"):
        mini_imagenet.listing(params(course, images_per_class=5), "train").load()


def test_a_relative_data_dir_starts_at_the_project_root(course, monkeypatch):
    monkeypatch.setenv("FEWSHOT_ROOT", str(course.parent))
    monkeypatch.chdir("/")
    assert len(mini_imagenet.listing(params(Path(course.name)), "val").load().ids) == 12


def test_fingerprint_tells_contents_apart(course):
    before = mini_imagenet.listing(params(course), "val").fingerprint
    assert before != mini_imagenet.listing(params(course), "train").fingerprint
    (course / "val" / "unlisted.txt").write_text("not part of the split")
    (course / "val" / "val_n01_0.jpg").touch()
    assert mini_imagenet.listing(params(course), "val").fingerprint == before
    grey(7, (90, 90)).save(course / "val" / "val_n01_0.jpg")
    changed = mini_imagenet.listing(params(course), "val").fingerprint
    assert changed != before
    (course / "val.csv").write_text((course / "val.csv").read_text() + "\n")
    assert mini_imagenet.listing(params(course), "val").fingerprint != changed


def test_fingerprint_is_the_content_s_not_the_folder_s(course):
    before = mini_imagenet.listing(params(course), "val").fingerprint
    moved = course.rename(course.parent / "moved")
    assert mini_imagenet.listing(params(moved), "val").fingerprint == before


REAL = os.environ.get("FEWSHOT_MINI_IMAGENET")


@pytest.mark.skipif(not REAL, reason="FEWSHOT_MINI_IMAGENET names no folder with mini-ImageNet")
def test_the_real_validation_split():
    real = DataParams.check({"source": "mini_imagenet", "data_dir": REAL, "image_size": 84})
    bank = mini_imagenet.listing(real, "val").load()
    assert bank.images.shape == (9600, 3, 84, 84)
    assert bank.class_sizes.tolist() == [600] * 16
    assert bank.class_names == sorted(bank.class_names)
    assert sorted(map(int, bank.ids)) == list(range(9600))
    means = bank.images.float().mean((0, 2, 3)) / 255
    assert means.tolist() == pytest.approx(bank.mean, abs=0.05)
