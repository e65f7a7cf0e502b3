"""A folder of one's own images: three layouts, classes split by name or by share, odd contents."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from fewshot_lib.data.bank import has_split, load_bank
from fewshot_lib.data.sources import folder
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams

SIZE = 16
TEN = [f"class{i}" for i in range(10)]


def add_images(place: Path, *levels: int) -> None:
    """Grey images ``0.png``, ``1.png``, … of these levels."""
    place.mkdir(parents=True, exist_ok=True)
    for i, level in enumerate(levels):
        Image.new("L", (SIZE, SIZE), level).save(place / f"{i}.png")


def params(place: Path, **changes) -> DataParams:
    return DataParams.check(
        {"source": "folder", "data_dir": str(place), "image_size": SIZE} | changes
    )


def classes_of(place: Path, **changes) -> dict[str, set[str]]:
    wanted = params(place, **changes)
    return {
        split: {row.label for row in folder.listing(wanted, split).rows}
        for split in folder.splits(wanted)
    }


def levels(bank) -> list[int]:
    return bank.images[:, 0, 0, 0].tolist()


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Class folders: three classes of two images."""
    for name, level in {"dog": 10, "cat": 20, "rat": 30}.items():
        add_images(tmp_path / "pets" / name, level, level + 1)
    return tmp_path / "pets"


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """Class folders: ten classes of one image."""
    for name in TEN:
        add_images(tmp_path / "ten" / name, 0)
    return tmp_path / "ten"


@pytest.fixture
def split_folders(tmp_path: Path) -> Path:
    for split, names in {"train": "ba", "val": "c", "test": "d"}.items():
        for name in names:
            add_images(tmp_path / "split" / split / name, ord(name), ord(name) + 10)
    return tmp_path / "split"


# Layouts


def test_class_folders_are_split_by_name(pets):
    wanted = params(pets, val_classes=["cat"], test_classes=[])
    assert folder.splits(wanted) == ["train", "val"]
    bank = folder.listing(wanted, "train").load()
    assert bank.class_names == ["dog", "rat"]
    assert bank.labels.tolist() == [0, 0, 1, 1]
    assert bank.labels.dtype == torch.int64
    assert bank.ids == ["dog/0.png", "dog/1.png", "rat/0.png", "rat/1.png"]
    assert levels(bank) == [10, 11, 30, 31]
    assert bank.mean == (0.485, 0.456, 0.406)
    assert folder.listing(wanted, "val").load().ids == ["cat/0.png", "cat/1.png"]


def test_split_folders_are_taken_as_they_are(split_folders):
    wanted = params(split_folders)
    assert folder.splits(wanted) == ["train", "val", "test"]
    bank = folder.listing(wanted, "train").load()
    assert bank.class_names == ["a", "b"]
    assert bank.ids == ["train/a/0.png", "train/a/1.png", "train/b/0.png", "train/b/1.png"]
    assert levels(bank) == [97, 107, 98, 108]
    assert folder.listing(wanted, "test").load().ids == ["test/d/0.png", "test/d/1.png"]


def test_tables_come_before_folders(split_folders):
    (split_folders / "train.csv").write_text("filename,label\na/1.png,x\nb/0.png,y\n")
    wanted = params(split_folders)
    assert folder.splits(wanted) == ["train"]
    bank = folder.listing(wanted, "train").load()
    assert (bank.class_names, bank.ids) == (["x", "y"], ["a/1.png", "b/0.png"])
    assert levels(bank) == [107, 98]
    before = folder.listing(wanted, "train").fingerprint
    (split_folders / "train.csv").write_text("filename,label\na/1.png,x\nb/0.png,z\n")
    assert folder.listing(wanted, "train").fingerprint != before


def test_a_class_may_be_called_train(pets):
    (pets / "rat").rename(pets / "train")
    assert classes_of(pets, val_classes=["cat"], test_classes=0) == {
        "train": {"dog", "train"},
        "val": {"cat"},
    }


def test_an_unlabelled_test_folder_is_no_test_split(split_folders):
    (split_folders / "test" / "d" / "0.png").rename(split_folders / "test" / "1.png")
    shutil.rmtree(split_folders / "test" / "d")
    assert folder.splits(params(split_folders)) == ["train", "val"]


def test_images_in_deeper_folders_belong_to_the_class(pets):
    add_images(pets / "cat" / "winter" / "2020", 5)
    bank = folder.listing(params(pets, val_classes=["cat"]), "val").load()
    assert bank.ids == ["cat/0.png", "cat/1.png", "cat/winter/2020/0.png"]
    assert bank.class_names == ["cat"]


def test_what_is_no_image_is_passed_over(pets):
    (pets / "README.txt").write_text("about these pets")
    (pets / "loose.png").write_bytes(b"in no class")
    (pets / "cat" / "notes.txt").write_text("of a cat")
    (pets / "cat" / "._0.png").write_bytes(b"left by an archive")
    (pets / "cat" / "folder.png").mkdir()
    add_images(pets / ".hidden", 1)
    add_images(pets / "cat" / ".thumbnails", 1)
    (pets / "masks").mkdir()
    (pets / "masks" / "0.npy").write_bytes(b"")
    wanted = params(pets, val_classes=["cat"], test_classes=0)
    assert classes_of(pets, val_classes=["cat"], test_classes=0)["train"] == {"dog", "rat"}
    assert folder.listing(wanted, "val").load().ids == ["cat/0.png", "cat/1.png"]


def test_images_per_class_takes_the_first_ones(pets):
    add_images(pets / "dog", 10, 11, 12, 13)
    chosen = params(pets, val_classes=["cat"], test_classes=["rat"], images_per_class=2)
    assert folder.listing(chosen, "train").load().ids == ["dog/0.png", "dog/1.png"]


def test_loads_through_the_cache(pets, project):
    wanted = params(pets, val_classes=["cat"], test_classes=["dog"])
    bank = load_bank(wanted, "test")
    assert bank.ids == ["dog/0.png", "dog/1.png"]
    assert torch.equal(load_bank(wanted, "test").images, bank.images)
    assert has_split(wanted, "test")


# Links


def test_class_folders_may_be_links(pets, tmp_path):
    add_images(tmp_path / "elsewhere", 7)
    (pets / "owl").symlink_to(tmp_path / "elsewhere")
    bank = folder.listing(params(pets, val_classes=["owl"]), "val").load()
    assert (bank.ids, levels(bank)) == (["owl/0.png"], [7])


def test_links_that_lead_back_do_not_hang_or_mix_classes(pets):
    (pets / "cat" / "itself").symlink_to(pets / "cat")
    (pets / "cat" / "all").symlink_to(pets)
    (pets / "cat" / "above").symlink_to(pets.parent)
    (pets / "cat" / "nothing").symlink_to(pets / "cat" / "nothing")
    (pets / "everything").symlink_to(pets)
    bank = folder.listing(params(pets, val_classes=["cat"], test_classes=0), "val").load()
    assert bank.ids == ["cat/0.png", "cat/1.png"]
    assert "everything" not in classes_of(pets, val_classes=["cat"])["train"]


# Shares


def test_a_share_is_counted_in_all_classes(ten):
    chosen = classes_of(ten, val_classes=0.3, test_classes=0.2)
    assert {split: len(names) for split, names in chosen.items()} == {
        "train": 5,
        "val": 3,
        "test": 2,
    }
    assert set.union(*chosen.values()) == set(TEN)


def test_the_default_share_is_a_fifth_each(ten):
    assert {s: len(n) for s, n in classes_of(ten).items()} == {"train": 6, "val": 2, "test": 2}


def test_a_small_share_is_one_class_and_none_is_none(ten):
    chosen = classes_of(ten, val_classes=0.01, test_classes=0)
    assert list(chosen) == ["train", "val"]
    assert len(chosen["val"]) == 1


def test_a_share_depends_on_the_names_of_the_classes_alone(ten):
    before = classes_of(ten)
    add_images(ten / "class3", 1, 2, 3)
    assert classes_of(ten.rename(ten.parent / "moved")) == before


def test_which_classes_a_share_takes_is_fixed_for_ever(ten):
    chosen = classes_of(ten)  # sorted by what "printf class0 | sha256sum" prints
    assert chosen["val"] == {"class6", "class0"}  # 00fd, 079a
    assert chosen["test"] == {"class7", "class9"}  # c4f0, e8c3


def test_one_class_more_moves_two_others_at_most(ten):
    before = classes_of(ten, val_classes=0.3, test_classes=0.3)
    for name in ("zebra", "ant", "gnu"):
        add_images(ten / name, 0)
        after = classes_of(ten, val_classes=0.3, test_classes=0.3)
        moved = [n for split in before for n in before[split] if n not in after[split]]
        assert len(moved) <= 2
        before = after


def test_a_share_leaves_out_what_a_list_names(ten):
    for name in TEN:
        chosen = classes_of(ten, val_classes=0.3, test_classes=[name])
        assert chosen["test"] == {name}
        assert len(chosen["val"]) == 3
        assert len(chosen["train"]) == 6


# Fingerprint


def test_fingerprint_is_the_content_s_not_the_folder_s(pets):
    wanted = {"val_classes": ["cat"], "test_classes": ["dog"]}
    before = folder.listing(params(pets, **wanted), "val").fingerprint
    moved = pets.rename(pets.parent / "moved")
    assert folder.listing(params(moved, **wanted), "val").fingerprint == before
    assert folder.listing(params(moved, **wanted), "train").fingerprint != before
    assert (
        folder.listing(params(moved, val_classes=["cat"], test_classes=0), "val").fingerprint
        == before
    )


def test_fingerprint_changes_with_names_and_sizes_of_its_split_alone(pets):
    def now() -> str:
        return folder.listing(params(pets, val_classes=["cat"]), "val").fingerprint

    seen = [now()]
    add_images(pets / "dog", 1, 2, 3)
    (pets / "cat" / "notes.txt").write_text("no image")
    (pets / "cat" / "0.png").touch()
    assert now() == seen[0]
    (pets / "cat" / "0.png").rename(pets / "cat" / "2.png")
    seen.append(now())
    (pets / "cat" / "2.png").write_bytes(b"1")
    seen.append(now())
    (pets / "cat" / "2.png").unlink()
    seen.append(now())
    assert len(set(seen)) == 4


# Errors


def break_image(place: Path) -> None:
    (place / "dog" / "1.png").write_bytes(b"no image")


def empty(place: Path) -> None:
    shutil.rmtree(place)
    place.mkdir()


def flatten(place: Path) -> None:
    for image in sorted(place.glob("*/*.png")):
        image.rename(place / f"{image.parent.name}{image.name}")


def keep_one(place: Path) -> None:
    shutil.rmtree(place / "dog")
    shutil.rmtree(place / "rat")


def call_them_splits(place: Path) -> None:
    keep_one(place)
    (place / "cat").rename(place / "train")
    add_images(place / "val", 3)


def lose_images(place: Path) -> None:
    for image in place.glob("rat/*.png"):
        image.unlink()


def leave(place: Path) -> None:
    pass


BROKEN = {
    "no folder": (shutil.rmtree, {}, ["no folder", "pets: data_dir must name"]),
    "nothing in it": (empty, {}, ["no classes in", "train.csv, train/CLASS/ and CLASS/", ".jpg"]),
    "images without folders": (flatten, {}, ["the 6 images in", "a folder of its own"]),
    "splits without classes": (call_them_splits, {}, ["images in", "train have no", "train.csv"]),
    "one class": (keep_one, {}, ["only one class folder, 'cat'", "folder that holds"]),
    "unknown name": (
        leave,
        {"val_classes": ["catt"]},
        ["val_classes: no class 'catt' in", "'cat'?"],
    ),
    "unknown test name": (leave, {"test_classes": ["x"]}, ["test_classes", "known: cat, dog, rat"]),
    "class without images": (lose_images, {"val_classes": ["rat"]}, ["rat has no images"]),
    "in both": (
        leave,
        {"val_classes": ["cat", "dog"], "test_classes": ["dog"]},
        ["class 'dog' is in val_classes and in test_classes: choose one"],
    ),
    "nothing to train on": (
        leave,
        {"val_classes": ["cat", "dog", "rat"], "test_classes": 0},
        ["3 classes", "val_classes=['cat', 'dog', 'rat'] and test_classes=0", "none for training"],
    ),
    "shares too large": (leave, {"val_classes": 0.6, "test_classes": 0.4}, ["test_classes=0.4"]),
    "class too small": (
        leave,
        {"images_per_class": 3},
        ["has only 2 images in", "lower images_per_class=3 to 2"],
    ),
    "broken image": (
        break_image,
        {"val_classes": ["cat"], "test_classes": 0},
        ["dog/1.png cannot be decoded"],
    ),
}


def error_of(wanted: DataParams, split: str) -> str:
    with pytest.raises(InputError) as caught:
        folder.listing(wanted, split).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_named_in_one_line(pets, case):
    damage, changes, words = BROKEN[case]
    damage(pets)
    message = error_of(params(pets, **changes), "train")
    assert all(word in message for word in words), message


def test_an_unknown_class_among_thousands_is_answered_in_a_line(tmp_path):
    for i in range(100):
        add_images(tmp_path / f"class{i:03}", 0)
    message = error_of(params(tmp_path, val_classes=["zzz"]), "train")
    assert message.endswith("(there are 100, the first is 'class000')")


def test_a_split_without_a_class_is_refused(pets):
    message = error_of(params(pets, val_classes=["cat"], test_classes=[]), "test")
    assert message == "no split 'test': test_classes leaves it without a class, set it"


def test_a_missing_split_folder_is_named(split_folders):
    shutil.rmtree(split_folders / "val")
    message = error_of(params(split_folders), "val")
    assert message.endswith(
        "split (there are only: train, test); val/ must hold a folder of images for each class"
    )


@pytest.mark.parametrize("name", ["val_classes", "test_classes"])
@pytest.mark.parametrize("table", [False, True])
def test_choosing_classes_that_are_already_split_is_refused(split_folders, name, table):
    if table:
        (split_folders / "train.csv").write_text("filename,label\na/1.png,x\n")
    wanted = params(split_folders, **{name: 0.5})
    for ask in (folder.splits, lambda p: folder.listing(p, "train").fingerprint):
        with pytest.raises(InputError, match=f"{name} has no use, .*train.* already splits"):
            ask(wanted)
