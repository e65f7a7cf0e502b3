"""Data as people really have it: names, tables, folders and pickles of every kind.

Each case was reported to a project like this one; what is tried at random shows its kind.
"""

import os
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fewshot_lib.data import digests
from fewshot_lib.data.apart import remarks, require_apart
from fewshot_lib.data.bank import data_remarks, load_bank, source_module
from fewshot_lib.data.digests import Content
from fewshot_lib.data.fit import Size, fitting, require_fit, split_sizes
from fewshot_lib.data.folders import by_name, readable
from fewshot_lib.data.sources import cifar_fs, mini_imagenet
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams
from fewshot_lib.spec.problems import Problem1, Problem2

SIZE = 16
SPLITS = {"train": "abc", "val": "de", "test": "fg"}


def picture(label: str, i: int) -> Image.Image:
    colour = sum(map(ord, label)) * 37 % 256
    return Image.new("RGB", (SIZE, SIZE), (colour, 20 * i, len(label)))


def add_class(folder: Path, label: str, n: int = 3, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        picture(label, i).save(folder / f"{i}{suffix}")


def params(folder: Path, source: str = "folder", **changes) -> DataParams:
    values = {"source": source, "data_dir": str(folder), "image_size": SIZE}
    return DataParams.check(values | changes)


def classes(wanted: DataParams) -> dict[str, set[str]]:
    source = source_module(wanted)
    return {s: {r.label for r in source.listing(wanted, s).rows} for s in source.splits(wanted)}


def refused(wanted: DataParams, split: str = "train") -> str:
    """The one line that loading the split ends with."""
    with pytest.raises(InputError) as caught:
        load_bank(wanted, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Names


@given(st.text(max_size=10))
def test_names_are_compared_in_one_unicode_form(name):
    forms = {readable(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")}
    assert len(forms) == 1
    assert readable(forms.copy().pop()) in forms


@given(st.binary(min_size=1, max_size=8))
def test_bytes_that_are_no_text_are_shown_as_text_in_one_line(name):
    text = readable(os.fsdecode(name))
    assert text.encode("utf-8")
    assert not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)
    assert not {"\n", "\r", "\0"} & set(text)


def test_different_bytes_stay_different():
    assert readable(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert readable(os.fsdecode(b"caf\xe8")) == "caf\\xe8"


def test_folders_that_look_alike_are_refused(tmp_path):
    paths = [tmp_path / unicodedata.normalize(form, "Füchse") for form in ("NFC", "NFD")]
    with pytest.raises(InputError, match=r"two folders .* 'Füchse', in different bytes"):
        by_name(paths)


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_class_is_found_in_whatever_form_it_is_asked_for(tmp_path, on_disk, asked):
    for name in ("Füchse", "owl", "cat"):
        add_class(tmp_path / unicodedata.normalize(on_disk, name), name)
    name = unicodedata.normalize(asked, "Füchse")
    assert classes(params(tmp_path, val_classes=[name], test_classes=0))["val"] == {"Füchse"}


# Splits that share classes or images


def split_folders(root: Path, names=("train", "val", "test")) -> Path:
    for name, labels in zip(names, SPLITS.values(), strict=True):
        for label in labels:
            add_class(root / name / label, label)
    return root


def test_splits_of_the_same_classes_are_refused_with_the_remedy(tmp_path, project):
    for split in SPLITS:
        for label in "abc":
            add_class(tmp_path / split / label, label + split)
    message = refused(params(tmp_path))
    assert "'train' and 'val' share 3 classes (a, b, c)" in message
    assert "give each class to one split" in message


def test_an_image_in_two_splits_is_refused_by_its_names(tmp_path, project):
    split_folders(tmp_path)
    picture("a", 0).save(tmp_path / "test" / "g" / "copy.png")
    message = refused(params(tmp_path), "val")
    assert "'train' and 'test' share 1 image (train/a/0.png = test/g/copy.png)" in message


def test_a_few_shared_images_among_thousands_are_a_remark():
    one = [Content("a", str(i), f"{i}") for i in range(2000)]
    other = [Content("b", f"b{i}", f"{i + 1998}") for i in range(2000)]
    require_apart({"train": one, "val": other})
    assert remarks({"train": one, "val": other}) == [
        "train and val share 2 images (1998 = b0, 1999 = b1)"
    ]
    with pytest.raises(InputError, match="share 3 images"):
        require_apart({"train": one, "val": [*other, Content("b", "c", "7")]})


# Folders


@pytest.mark.parametrize(
    "names",
    [
        ("train", "valid", "test"),
        ("Train", "Validation", "Test"),
        ("training", "dev", "testing"),
        ("meta-train", "meta_val", "meta test"),
        ("base", "val", "novel"),
    ],
)
@pytest.mark.parametrize("source", ["folder", "mini_imagenet"])
def test_splits_by_their_other_usual_names(tmp_path, names, source):
    found = classes(params(split_folders(tmp_path, names), source))
    assert found == {split: set(labels) for split, labels in SPLITS.items()}


def test_two_folders_for_one_split_are_refused(tmp_path):
    split_folders(tmp_path, ("train", "valid", "test"))
    add_class(tmp_path / "validation" / "x", "x")
    with pytest.raises(InputError, match=r"valid and validation .* meant for 'val'"):
        classes(params(tmp_path))


def test_a_class_called_base_is_a_class(tmp_path):
    for name in ("base/deep", "cat", "dog", "eel", "fox"):
        add_class(tmp_path / name, name)
    assert "base" in set.union(*classes(params(tmp_path)).values())


OTHERS = ["@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", ".ipynb_checkpoints", "lost+found"]


@pytest.mark.parametrize("name", OTHERS)
def test_folders_of_other_software_are_no_classes_and_hold_no_images(tmp_path, name):
    for label in "abcdef":
        add_class(tmp_path / label, label)
    add_class(tmp_path / name / "x", "x")
    add_class(tmp_path / "a" / name, "y")
    wanted = params(tmp_path)
    assert set.union(*classes(wanted).values()) == set("abcdef")
    assert split_sizes(wanted)["train"] == Size(4, 3)
    assert f"passed over: folder {name} (2)" in data_remarks(wanted)


@pytest.mark.parametrize("suffix", [".jfif", ".avif", ".jp2", ".tga", ".JPG", ".dib"])
def test_formats_that_pillow_opens_are_images(tmp_path, suffix, project):
    for label in "abc":
        kind = {"format": "JPEG"} if suffix == ".jfif" else {}
        (tmp_path / label).mkdir()
        for i in range(3):
            picture(label, i).save(tmp_path / label / f"{i}{suffix}", **kind)
    assert len(load_bank(params(tmp_path), "train").ids) == 3


def test_a_table_of_another_kind_gives_way_to_class_folders(tmp_path):
    for label in "abcdef":
        add_class(tmp_path / label, label)
    (tmp_path / "train.csv").write_text("image_id,healthy,rust\nTrain_0,1,0\n")
    wanted = params(tmp_path)
    assert len(classes(wanted)["train"]) == 4
    assert "table train.csv" in data_remarks(wanted)[0]


def test_all_broken_images_are_named_at_once(tmp_path, project):
    for label in "abcdef":
        add_class(tmp_path / label, label)
    broken = sorted(tmp_path.glob("*/1.png"))
    for file in broken:
        file.write_bytes(b"<html>404")
    message = refused(params(tmp_path, val_classes=["a"], test_classes=0))
    assert "6 of 6 images cannot be used" in message
    assert all(str(file) in message for file in broken)
    for i, file in enumerate(broken):
        file.write_bytes(b"cut short" * i)
    message = refused(params(tmp_path, val_classes=["a"], test_classes=0))
    assert "5 of 15 images cannot be used" in message
    assert all(str(file) in message for file in broken[1:])


# Tables


def write_tables(root: Path, rows, header: str = "filename,label", separator: str = ",") -> Path:
    """Tables of the splits whose rows are ``rows(file, label)``, images in ``images/LABEL/``."""
    for split, labels in SPLITS.items():
        lines = [header]
        for label in labels:
            add_class(root / "images" / label, label)
            lines += [rows(f"{label}/{i}.png", label) for i in range(3)]
        (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return root


TABLES = {
    "stray spaces": ("filename, label ", lambda f, c: f" {f} , {c} "),
    "semicolons": ("filename;label", lambda f, c: f"{f};{c}"),
    "tabs": ("filename\tlabel", lambda f, c: f"{f}\t{c}"),
    "easyfsl": ("class_name,image_name", lambda f, c: f"{c},{f}"),
    "capitals": ("Filename,Label", lambda f, c: f"{f},{c}"),
    "an index": (",filename,label", lambda f, c: f"{f[-5]},{f},{c}"),
    "backslashes": ("filename,label", lambda f, c: f.replace("/", "\\") + f",{c}"),
    "prefixed": ("filename,label", lambda f, c: f"images/{f},{c}"),
    "from another machine": ("filename,label", lambda f, c: f"C:\\set\\images\\{c}\\{f[2:]},{c}"),
    "from another home": ("filename,label", lambda f, c: f"/home/ann/images/{f},{c}"),
    "in folders of classes": ("filename,label", lambda f, c: f"{f[2:]},{c}"),
    "blank lines": ("filename,label\n\n,\n", lambda f, c: f"{f},{c}\n"),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_are_read_as_their_writers_mean_them(tmp_path, case, project):
    header, rows = TABLES[case]
    wanted = params(write_tables(tmp_path, rows, header), "mini_imagenet")
    assert classes(wanted) == {split: set(labels) for split, labels in SPLITS.items()}
    bank = load_bank(wanted, "val")
    assert bank.class_sizes.tolist() == [3, 3]
    assert bank.images[1, 1, 0, 0] == 20


def spoil(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


REFUSED = {
    "twice": (lambda t: t + "a/0.png,a\n", "line 11: image 'a/0.png' stands in line 2 already"),
    "two labels": (lambda t: t + "a/0.png,b\n", "line 11: image 'a/0.png' stands in line 2"),
    "no label after blank lines": (
        lambda t: spoil(t, "a/0.png,a", "\n\na/0.png, "),
        "line 4: no label",
    ),
    "misspelt": (lambda t: spoil(t, "label", "lable"), "no column 'label' (did you mean 'lable'?)"),
    "misspelt, with an index": (
        lambda t: "\n".join(f",{line}" for line in spoil(t, "label", "lable").split("\n")),
        "no column 'label' (did you mean 'lable'?)",
    ),
    "UTF-16": (lambda t: t.encode("utf-16"), "is in UTF-16 or no text: save it as CSV in UTF-8"),
    "Latin-1": (
        lambda t: spoil(t, "a/1.png,a", "a/1.png,Füchse").encode("latin-1"),
        "line 3: not in UTF-8",
    ),
    "two columns": (lambda t: spoil(t, "filename,label", "label,label"), "two columns 'label'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tables_are_refused_with_the_reason_and_the_line(tmp_path, case, project):
    damage, words = REFUSED[case]
    table = write_tables(tmp_path, lambda f, c: f"{f},{c}") / "train.csv"
    text = damage(table.read_text())
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert words in refused(params(tmp_path, "mini_imagenet"))


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_files_are_found_in_another_unicode_form(tmp_path, on_disk, project):
    write_tables(tmp_path, lambda f, c: f"{f},{c}")
    name = unicodedata.normalize("NFD" if on_disk == "NFC" else "NFC", "bär.png")
    (tmp_path / "images/a/0.png").rename(
        tmp_path / "images/a" / unicodedata.normalize(on_disk, "bär.png")
    )
    table = tmp_path / "train.csv"
    table.write_text(spoil(table.read_text(), "a/0.png", f"a/{name}"))
    assert "a/bär.png" in load_bank(params(tmp_path, "mini_imagenet"), "train").ids


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_given_as_a_table_is_refused_in_one_line(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / "train.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        mini_imagenet.listing(params(folder, "mini_imagenet"), "train")
    assert "\n" not in str(caught.value)


# mini-ImageNet and CIFAR-FS as they go round


def test_a_hundred_class_folders_are_split_by_the_published_list(tmp_path):
    for place in ("", "images"):
        root = tmp_path / (place or "plain")
        for label in ("n01532829", "n01855672", "n01930112"):
            add_class(root / place / label, label)
        found = classes(params(root, "mini_imagenet"))
        assert found == {"train": {"n01532829"}, "val": {"n01855672"}, "test": {"n01930112"}}


def test_other_class_folders_are_referred_to_their_source(tmp_path):
    add_class(tmp_path / "cat", "cat")
    with pytest.raises(InputError, match="'cat' is none of mini-ImageNet's: source folder"):
        classes(params(tmp_path, "mini_imagenet"))


def write_pickle(path: Path, labels: str, shift: int) -> None:
    numbers = np.arange(3 * len(labels), dtype=np.uint8) + np.uint8(shift)
    pixels = np.zeros((len(numbers), SIZE, SIZE, 3), np.uint8) + numbers[:, None, None, None]
    content = {
        "image_data": pixels,
        "class_dict": {c: list(range(3 * i, 3 * i + 3)) for i, c in enumerate(labels)},
    }
    path.write_bytes(pickle.dumps(content, protocol=2))


def test_pickles_are_read(tmp_path, project):
    for i, (split, labels) in enumerate(SPLITS.items()):
        write_pickle(tmp_path / f"mini-imagenet-cache-{split}.pkl", labels, 20 * i)
    wanted = params(tmp_path, "mini_imagenet")
    assert classes(wanted) == {split: set(labels) for split, labels in SPLITS.items()}
    bank = load_bank(wanted, "val")
    assert (bank.class_names, bank.class_sizes.tolist()) == (["d", "e"], [3, 3])
    assert bank.images[:, 0, 0, 0].tolist() == [20, 21, 22, 23, 24, 25]
    write_pickle(tmp_path / "mini-imagenet-cache-test.pkl", "fg", 20)
    assert "'val' and 'test' share 6 images" in refused(wanted)


def test_numbered_pickles_of_cifar_fs_are_read(tmp_path, project):
    for i, split in enumerate(SPLITS):
        pixels = (
            np.zeros((4, SIZE, SIZE, 3), np.uint8)
            + np.arange(4, dtype=np.uint8)[:, None, None, None]
        )
        content = {"data": pixels + np.uint8(9 * i), "labels": [0, 1, 0, 1]}
        (tmp_path / f"CIFAR_FS_{split}.pickle").write_bytes(pickle.dumps(content))
    wanted = params(tmp_path, "cifar_fs")
    assert cifar_fs.splits(wanted) == ["train", "val", "test"]
    bank = load_bank(wanted, "val")
    assert bank.class_names == ["val class 0", "val class 1"]
    assert bank.images[:, 0, 0, 0].tolist() == [9, 11, 10, 12]


class Harm:
    def __reduce__(self):
        return os.system, ("touch harmed",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path, project, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val"):
        file = tmp_path / f"mini-imagenet-cache-{split}.pkl"
        file.write_bytes(pickle.dumps({"image_data": Harm(), "class_dict": {}}))
    assert "it wants to run" in refused(params(tmp_path, "mini_imagenet"))
    assert not (tmp_path / "harmed").exists()


@settings(max_examples=40, deadline=None)
@given(
    content=st.binary(max_size=100)
    | st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ).map(pickle.dumps)
)
def test_any_pickle_is_refused_in_one_line(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / "mini-imagenet-cache-train.pkl").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError) as caught:
        patch.setenv("FEWSHOT_ROOT", str(folder))
        mini_imagenet.listing(params(folder, "mini_imagenet"), "train")
    assert "\n" not in str(caught.value)


def test_class_folders_of_cifar_are_found_where_training_and_test_lie_apart(tmp_path):
    for place in ("train", "test"):
        for names in cifar_fs.CLASSES.values():
            for name in names:
                add_class(tmp_path / "cifar" / place / name, name, n=1)
    rows = cifar_fs.listing(params(tmp_path, "cifar_fs"), "val").rows
    assert [row.id for row in rows[:2]] == [
        "cifar/test/beaver/0.png",
        "cifar/train/beaver/0.png",
    ]


@pytest.mark.parametrize("layout", ["data/{}", "{}", "images_background/images_background/{}"])
def test_omniglot_as_it_is_repacked(tmp_path, layout):
    for alphabet in ("Greek", "Hebrew", "Tibetan"):
        add_class(tmp_path / layout.format(alphabet) / "character01", "the same images")
    wanted = params(tmp_path, "omniglot", rotations=False)
    found = classes(wanted)
    assert found["val"] == {"Hebrew, character01"}
    assert found.get("test", set()) <= {"Tibetan, character01"}
    assert ("test" in found) == ("background" not in layout)
    assert any("train and val share 3 images" in line for line in data_remarks(wanted))


# Contents


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path, project, monkeypatch):
    monkeypatch.setattr(digests, "_SETTLED", 0)
    files = [str(tmp_path / name) for name in "ab"]
    for file in files:
        Path(file).write_bytes(file.encode())
    first = digests.digests(files, tmp_path)
    monkeypatch.setattr(digests, "_look_at", None)
    assert digests.digests(files, tmp_path) == first
    monkeypatch.undo()
    monkeypatch.setenv("FEWSHOT_ROOT", str(project))
    Path(files[0]).write_bytes(b"x" * len(files[0]))
    os.utime(files[0], ns=(0, 0))  # an archive brings its own times
    again = digests.digests(files, tmp_path)
    assert (again[0] != first[0], again[1] == first[1]) == (True, True)


@pytest.mark.parametrize("damage", [b"", b"[]", b"not json", b'{"a": 1}'])
def test_a_damaged_store_is_made_again(tmp_path, project, damage):
    file = tmp_path / "a"
    file.write_bytes(b"a")
    first = digests.digests([str(file)], tmp_path)
    (project / ".cache" / "banks").mkdir(parents=True, exist_ok=True)
    for store in (project / ".cache" / "banks").glob("contents-*.json"):
        store.write_bytes(damage)
    assert digests.digests([str(file)], tmp_path) == first


# Sizes


def own_images(root: Path, n_classes: int, n: int) -> Path:
    for i in range(n_classes):
        add_class(root / f"class{i:02}", "x" * (i + 1), n)
    return root


def problems(folder: Path, **changes) -> dict:
    values = {"source": "folder", "data_dir": str(folder), "image_size": SIZE, "n_way": 10}
    values |= {"images_per_class": 60, "n_query": 3, "n_query_compare": 3} | changes
    return {"problem1": Problem1.check(values), "problem2": Problem2.check(values)}


def changed(wanted: dict, changes: dict) -> dict:
    """The problems with what they know of these changes."""
    return {
        name: type(p).check(
            p.model_dump() | {k: v for k, v in changes.items() if k in type(p).model_fields}
        )
        for name, p in wanted.items()
    }


def test_all_that_does_not_fit_is_said_with_the_settings_that_do(tmp_path):
    wanted = problems(own_images(tmp_path, 12, 10))
    with pytest.raises(InputError) as caught:
        require_fit(wanted)
    message = str(caught.value)
    for words in (
        "train has 8 classes, 10-way needs 10",
        "val has 2 classes, 5-way needs 5",
        "test has a class of 10 images, 10 support + 15 query need 25",
        "images_per_class=60, but a class has 10 images",
    ):
        assert words in message
    asked = "--set images_per_class=null --set n_way=8 --set n_way_test=2 --set n_query_test=5"
    assert message.endswith(f"lower what is asked for: {asked} --set 'shots=[1,5]'")
    require_fit(changed(wanted, fitting(wanted, split_sizes(params(tmp_path)))))


@settings(max_examples=60, deadline=None)
@given(sizes=st.tuples(*[st.tuples(st.integers(1, 12), st.integers(1, 30))] * 3))
def test_settings_that_are_proposed_fit_or_the_data_is_too_small(sizes):
    named = {s: Size(*size) for s, size in zip(("train", "val", "test"), sizes, strict=True)}
    wanted = problems(Path("/nowhere"), source="omniglot")
    changes = fitting(wanted, named)
    large_enough = all(size.classes > 1 and size.images > 5 for size in named.values())
    assert (changes is not None) == large_enough


def test_too_few_classes_for_a_share_are_shared_out_anew(tmp_path):
    wanted = problems(own_images(tmp_path, 5, 8))
    changes = fitting(wanted, split_sizes(params(tmp_path)))
    assert (changes["val_classes"], changes["test_classes"]) == (0.4, 0.0)
    require_fit(changed(wanted, changes))


def test_the_least_a_report_takes_is_told(tmp_path):
    with pytest.raises(InputError, match="at least 2 classes of 6 images in each"):
        require_fit(problems(own_images(tmp_path, 3, 4)))
