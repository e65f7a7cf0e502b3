"""Omniglot's folders: splits by alphabet, rotations as classes, downloads, what can be missing."""

import hashlib
import os
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from PIL import Image

from fewshot_lib.data.bank import has_split, load_bank
from fewshot_lib.data.sources import omniglot
from fewshot_lib.data.vision import torchvision
from fewshot_lib.errors import InputError
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.spec.parameters import DataParams

SIZE = 16
BACKGROUND = {"Greek": 2, "Hebrew": 1, "N_Ko": 1}  # Hebrew is for validation
PER_CLASS = 3


def write_set(folder: Path, alphabets: dict[str, int]) -> Path:
    """One-bit drawings of 64 pixels: the k-th of all has its top 4 k rows in ink."""
    k = 0
    for alphabet, n_characters in alphabets.items():
        for character in range(1, n_characters + 1):
            target = folder / alphabet / f"character{character:02}"
            target.mkdir(parents=True)
            for i in range(1, PER_CLASS + 1):
                k += 1
                drawing = Image.new("1", (64, 64), 1)
                drawing.paste(0, (0, 0, 64, 4 * k))
                drawing.save(target / f"{k:04}_{i:02}.png")
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Without the evaluation set."""
    write_set(tmp_path / "data" / "images_background", BACKGROUND)
    return tmp_path / "data"


def params(folder: Path, **changes) -> DataParams:
    values = {"source": "omniglot", "data_dir": str(folder), "image_size": SIZE}
    return DataParams.check(values | {"rotations": False} | changes)


def numbers(bank) -> list[int]:
    """Which drawing each upright image is: its number of rows in ink."""
    return (bank.images[:, 0, :, 0] == 0).sum(1).tolist()


def test_alphabets_of_no_list_are_for_training(data_dir):
    bank = omniglot.listing(params(data_dir), "train").load()
    assert bank.class_names == ["Greek, character01", "Greek, character02", "N Ko, character01"]
    assert bank.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert numbers(bank) == [1, 2, 3, 4, 5, 6, 10, 11, 12]
    assert bank.ids[0] == "Greek/character01/0001_01.png"
    assert bank.images.shape == (9, 3, SIZE, SIZE)
    assert (bank.images.dtype, bank.labels.dtype) == (torch.uint8, torch.int64)


def test_alphabets_of_the_list_validate(data_dir):
    bank = omniglot.listing(params(data_dir), "val").load()
    assert bank.class_names == ["Hebrew, character01"]
    assert numbers(bank) == [7, 8, 9]


def test_the_evaluation_set_is_the_test_split_whatever_its_alphabets(data_dir):
    assert omniglot.splits(params(data_dir)) == ["train", "val"]
    write_set(data_dir / "images_evaluation", {"Hebrew": 1, "Tengwar": 1})
    assert omniglot.splits(params(data_dir)) == ["train", "val", "test"]
    bank = omniglot.listing(params(data_dir), "test").load()
    assert bank.class_names == ["Hebrew, character01", "Tengwar, character01"]


def test_torchvision_s_layout_is_the_same_data(data_dir):
    before = omniglot.listing(params(data_dir), "train").fingerprint
    (data_dir / "omniglot-py").mkdir()
    (data_dir / "images_background").rename(data_dir / "omniglot-py" / "images_background")
    assert omniglot.listing(params(data_dir), "train").fingerprint == before
    assert numbers(omniglot.listing(params(data_dir), "val").load()) == [7, 8, 9]


def test_a_rotated_character_is_a_class_of_its_own(data_dir):
    bank = omniglot.listing(params(data_dir, rotations=True), "train").load()
    assert bank.class_names[3:6] == [
        "Greek, character01, 270°",
        "Greek, character02",
        "Greek, character02, 90°",
    ]
    assert bank.class_sizes.tolist() == [PER_CLASS] * 12
    assert bank.ids[2:4] == ["Greek/character01/0003_03.png", "Greek/character01/0001_01.png, 90°"]
    # The first image of each class of character 2 has ink in its top four rows.
    upright, left, down, right = bank.images[12:24:3, 0] == 0
    assert upright[:4].all()
    assert left[:, :4].all()
    assert down[-4:].all()
    assert right[:, -4:].all()
    assert {int(image.sum()) for image in (upright, left, down, right)} == {4 * SIZE}


def test_classes_of_different_sizes_keep_their_images_when_rotated(data_dir):
    (data_dir / "images_background/Greek/character01/0002_02.png").unlink()
    bank = omniglot.listing(params(data_dir, rotations=True), "train").load()
    assert bank.class_sizes.tolist() == [2] * 4 + [3] * 8
    assert bank.labels.tolist() == sorted(bank.labels.tolist())
    first, second = bank.ids.index("Greek/character02/0004_01.png, 180°"), 8 + 2 * 3
    assert first == second
    assert (bank.images[first, 0] == 0).sum(1).tolist() == [0] * 12 + [SIZE] * 4


def test_images_per_class_counts_before_rotation(data_dir):
    bank = omniglot.listing(params(data_dir, rotations=True, images_per_class=2), "val").load()
    assert bank.class_sizes.tolist() == [2, 2, 2, 2]
    assert bank.ids[:2] == ["Hebrew/character01/0007_01.png", "Hebrew/character01/0008_02.png"]


def test_networks_see_ink_as_one_and_paper_as_zero(data_dir):
    bank = omniglot.listing(params(data_dir), "train").load()
    image = make_batch(bank, torch.tensor([0]), torch.device("cpu"))[0]
    assert image[:, 0].unique().tolist() == [1]
    assert image[:, 1:].unique().tolist() == [0]


def test_the_cache_tells_rotations_apart(data_dir, project):
    plain = load_bank(params(data_dir), "val")
    rotated = load_bank(params(data_dir, rotations=True), "val")
    assert (len(plain.ids), len(rotated.ids)) == (3, 12)
    assert not has_split(params(data_dir), "test")


def test_fingerprint_tells_contents_apart(data_dir):
    def now(split: str = "train", **changes) -> str:
        return omniglot.listing(params(data_dir, **changes), split).fingerprint

    before = now()
    greek = data_dir / "images_background" / "Greek"
    (greek / "character01" / ".DS_Store").write_bytes(b"no drawing")
    (greek / ".cache").mkdir()
    (greek / "strokes.txt").write_bytes(b"no character")
    assert now() == before
    assert len({before, now("val"), now(rotations=True)}) == 3
    Image.effect_noise((64, 64), 90).save(greek / "character01" / "0001_01.png")
    changed = now()
    assert changed != before
    (greek / "character01" / "0001_01.png").rename(greek / "character01" / "0001_09.png")
    assert now() not in (before, changed)


def test_fingerprint_is_the_content_s_not_the_folder_s(data_dir):
    before = omniglot.listing(params(data_dir), "val").fingerprint
    moved = data_dir.rename(data_dir.parent / "moved")
    assert omniglot.listing(params(moved), "val").fingerprint == before


def lose_the_folder(data_dir: Path) -> None:
    shutil.rmtree(data_dir)


def keep_only_the_archive(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "images_background")
    (data_dir / "images_background.zip").write_bytes(b"PK")


def empty_a_character(data_dir: Path) -> None:
    for path in (data_dir / "images_background/Hebrew/character01").iterdir():
        path.unlink()


def damage_a_drawing(data_dir: Path) -> None:
    path = data_dir / "images_background/Hebrew/character01/0008_02.png"
    path.write_bytes(path.read_bytes()[:40])


def lose_the_validation_alphabet(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "images_background/Hebrew")


BROKEN = {
    "no folder": (lose_the_folder, ["images_background", "set download: true"]),
    "only the archive": (keep_only_the_archive, ["images_background.zip is not extracted yet"]),
    "no images": (empty_a_character, ["no images in", "Hebrew/character01"]),
    "damaged": (damage_a_drawing, ["0008_02.png cannot be decoded", "copy it again"]),
    "no alphabet": (lose_the_validation_alphabet, ["no classes for 'val'", "Gujarati, Hebrew"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_missing_is_named_in_one_line(data_dir, case):
    damage, words = BROKEN[case]
    damage(data_dir)
    with pytest.raises(InputError) as caught:
        omniglot.listing(params(data_dir), "val").load()
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_folder_without_alphabets_has_no_splits_and_says_so(tmp_path):
    with pytest.raises(InputError, match=r"no folder .*images_background: extract"):
        omniglot.splits(params(tmp_path))
    (tmp_path / "images_background").mkdir()
    with pytest.raises(InputError, match=r"no classes for 'train' in .*images_background"):
        omniglot.splits(params(tmp_path))


def test_a_missing_test_split_is_named(data_dir):
    with pytest.raises(InputError, match=r"images_evaluation: extract images_evaluation\.zip"):
        omniglot.listing(params(data_dir), "test").load()


def test_a_character_with_too_few_drawings_is_named(data_dir):
    (data_dir / "images_background/Greek/character02/0005_02.png").unlink()
    with pytest.raises(InputError, match=r"'Greek, character02' has only 2 images.*=3 to 2"):
        omniglot.listing(params(data_dir, images_per_class=3), "train").load()


@pytest.fixture
def web(tmp_path: Path, monkeypatch) -> Path:
    """A folder on a web server of this machine, where torchvision looks for small archives."""
    folder = tmp_path / "web"
    sums = {}
    for name, alphabets in {"background": BACKGROUND, "evaluation": {"Tengwar": 1}}.items():
        unpacked = write_set(tmp_path / "unpacked" / f"images_{name}", alphabets)
        archive = shutil.make_archive(
            str(folder / unpacked.name), "zip", unpacked.parent, unpacked.name
        )
        sums[unpacked.name] = hashlib.md5(Path(archive).read_bytes()).hexdigest()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        source, url = torchvision.datasets.Omniglot, f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(source, "download_url_prefix", url)
        monkeypatch.setattr(source, "zips_md5", sums)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield folder
        server.shutdown()


def test_both_sets_are_downloaded_and_nothing_else_stays(tmp_path, web):
    target = tmp_path / "new" / "omniglot"
    wanted = params(target, download=True)
    assert omniglot.splits(wanted) == ["train", "val", "test"]
    assert sorted(x.name for x in target.iterdir()) == ["images_background", "images_evaluation"]
    shutil.rmtree(web)  # what is there is not asked for again
    assert numbers(omniglot.listing(wanted, "val").load()) == [7, 8, 9]
    assert omniglot.listing(wanted, "test").load().class_names == ["Tengwar, character01"]


def test_a_fingerprint_downloads_what_it_needs(tmp_path, web, data_dir):
    fetched = omniglot.listing(params(tmp_path / "new", download=True), "train").fingerprint
    assert fetched == omniglot.listing(params(data_dir), "train").fingerprint


FAILING = {
    "no such page": lambda archive: archive.unlink(),
    "wrong checksum": lambda archive: archive.write_bytes(archive.read_bytes() + b"more"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_failed_download_is_told_in_one_line_and_leaves_nothing(tmp_path, web, case):
    FAILING[case](web / "images_background.zip")
    with pytest.raises(InputError, match=r"images_background\.zip could not be downl") as caught:
        omniglot.listing(params(tmp_path / "new", download=True), "train")
    assert "\n" not in str(caught.value)
    assert "set download: false" in str(caught.value)
    assert not list((tmp_path / "new").iterdir())


def test_a_server_that_is_not_there_is_told_in_one_line(tmp_path, web, monkeypatch):
    source = torchvision.datasets.Omniglot
    monkeypatch.setattr(source, "download_url_prefix", "http://127.0.0.1:9")  # discard
    with pytest.raises(InputError, match=r"could not be downloaded into .*new \(.*refused"):
        omniglot.splits(params(tmp_path / "new", download=True))


REAL = os.environ.get("FEWSHOT_OMNIGLOT")


@pytest.mark.skipif(not REAL, reason="FEWSHOT_OMNIGLOT names no folder with Omniglot")
def test_the_real_background_set():
    real = params(Path(REAL), image_size=28)
    banks = [omniglot.listing(real, split).load() for split in ("train", "val")]
    names = [name for bank in banks for name in bank.class_names]
    assert len(set(names)) == 964
    assert {name.split(", ")[0].replace(" ", "_") for name in banks[1].class_names} == set(
        omniglot.VAL_ALPHABETS
    )
    assert len({name.split(", ")[0] for name in names}) == 30
    assert [len(bank.class_names) for bank in banks] == [760, 204]
    assert {n for bank in banks for n in bank.class_sizes.tolist()} == {20}
    assert all(0.88 < bank.images.float().mean() / 255 < 0.95 for bank in banks)  # mostly paper
