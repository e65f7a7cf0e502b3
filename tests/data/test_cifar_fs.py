"""CIFAR-FS: the split, CIFAR-100 as published and as folders, downloads, what can be missing."""

import hashlib
import pickle
import shutil
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image

from fewshot_lib.data.bank import SPLITS, load_bank
from fewshot_lib.data.sources import cifar_fs
from fewshot_lib.data.sources.cifar_fs import CLASSES
from fewshot_lib.data.vision import torchvision
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams

NAMES = sorted(name for names in CLASSES.values() for name in names)
TRAINING, TESTING = 3, 2  # images a class
SIDE = 32


def picture(name: str, number: int) -> np.ndarray:
    """Plain red that tells the class, plain green that tells the number, blue from row 17."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, :, 0], image[:, :, 1] = NAMES.index(name), 10 * number
    image[17:, :, 2] = 255
    return image


def write_published(folder: Path, monkeypatch, names: list[str] = NAMES) -> Path:
    """CIFAR-100's files with five images a class; torchvision is told their checksums."""
    folder.mkdir(parents=True)
    contents = {"meta": {"fine_label_names": names}}
    for part, numbers in {"train": range(TRAINING), "test": range(TRAINING, 5)}.items():
        images = [(i, n) for n in numbers for i in reversed(range(len(names)))]
        pixels = [picture(names[i], n).transpose(2, 0, 1).ravel() for i, n in images]
        contents[part] = {"data": np.stack(pixels), "fine_labels": [i for i, _ in images]}
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    source = torchvision.datasets.CIFAR100
    monkeypatch.setattr(source, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(source, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(source, "meta", source.meta | {"md5": sums["meta"]})
    return folder


def write_folders(folder: Path) -> Path:
    """Two PNGs in each class's folder."""
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for number in (1, 0):
            file = folder / name / f"{name}_s_{number:06}.png"
            Image.fromarray(picture(name, number)).save(file)
    return folder


@pytest.fixture
def published(tmp_path: Path, monkeypatch) -> Path:
    return write_published(tmp_path / "data" / "cifar-100-python", monkeypatch).parent


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    return write_folders(tmp_path / "pictures" / "data").parent


def params(folder: Path, **changes) -> DataParams:
    values = {"source": "cifar_fs", "data_dir": str(folder), "image_size": SIDE}
    return DataParams.check(values | changes)


def told(bank) -> list[tuple[str, int]]:
    """Class and number that each image shows."""
    red, green = bank.images[:, 0, 0, 0].tolist(), bank.images[:, 1, 0, 0].tolist()
    return [(NAMES[r], g // 10) for r, g in zip(red, green, strict=True)]


def refused(folder: Path, split: str = "val", **changes) -> str:
    """The one line that loading the split ends with."""
    with pytest.raises(InputError) as caught:
        cifar_fs.listing(params(folder, **changes), split).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_split_shares_out_a_hundred_classes():
    assert [len(CLASSES[split]) for split in SPLITS] == [64, 16, 20]
    assert len(set(NAMES)) == 100
    assert all(names == sorted(names) for names in CLASSES.values())


@pytest.mark.parametrize("split", SPLITS)
def test_training_and_test_images_of_a_class_come_together_in_order(published, split):
    bank = cifar_fs.listing(params(published), split).load()
    assert bank.class_names == CLASSES[split]
    assert told(bank) == [(name, number) for name in CLASSES[split] for number in range(5)]
    assert bank.class_sizes.tolist() == [TRAINING + TESTING] * len(CLASSES[split])
    assert bank.labels.tolist() == sorted(bank.labels.tolist())
    assert (bank.images.dtype, bank.labels.dtype) == (torch.uint8, torch.int64)


def test_ids_name_the_published_file_and_the_place_in_it(published):
    # Classes go backwards in these files, apple is the last of each hundred.
    bank = cifar_fs.listing(params(published), "train").load()
    assert bank.class_names[0] == "apple"
    assert bank.ids[:5] == ["train_00099", "train_00199", "train_00299", "test_00099", "test_00199"]


@pytest.mark.parametrize("layout", ["data", "cifar100/data"])
def test_folders_of_classes_are_read_in_the_order_of_their_names(tmp_path, layout):
    write_folders(tmp_path / layout)
    bank = cifar_fs.listing(params(tmp_path), "val").load()
    assert told(bank) == [(name, number) for name in CLASSES["val"] for number in (0, 1)]
    assert bank.ids[:2] == ["beaver/beaver_s_000000.png", "beaver/beaver_s_000001.png"]
    assert cifar_fs.splits(params(tmp_path)) == list(SPLITS)


def test_a_split_without_any_of_its_folders_is_not_there(class_folders):
    for name in CLASSES["test"]:
        shutil.rmtree(class_folders / "data" / name)
    assert cifar_fs.splits(params(class_folders)) == ["train", "val"]


@pytest.mark.parametrize("folder", ["published", "class_folders"])
def test_images_per_class_takes_the_first_ones(folder, request):
    folder = request.getfixturevalue(folder)
    bank = cifar_fs.listing(params(folder, images_per_class=2), "test").load()
    assert told(bank) == [(name, number) for name in CLASSES["test"] for number in (0, 1)]
    assert "class 'baby' has only" in refused(folder, "test", images_per_class=6)


@pytest.mark.parametrize("folder", ["published", "class_folders"])
def test_another_size_is_averaged_or_interpolated(folder, request):
    folder = request.getfixturevalue(folder)
    small = cifar_fs.listing(params(folder, image_size=16), "val").load().images[0]
    assert small.shape == (3, 16, 16)
    assert small[2, :, 0].tolist() == [0] * 8 + [128] + [255] * 7
    large = cifar_fs.listing(params(folder, image_size=64), "val").load().images[0]
    edge = large[2, 30:38, 0].tolist()
    assert len(set(edge[2:6])) == 4  # no steps of two equal rows
    assert edge == sorted(edge)
    assert large[0].unique().tolist() == [NAMES.index("beaver")]


def test_the_cache_keeps_splits_apart(published, project):
    assert load_bank(params(published), "val").class_names == CLASSES["val"]
    assert load_bank(params(published), "test").class_names == CLASSES["test"]


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_a_file_of_another_checksum_is_refused_and_never_unpickled(published, tmp_path, name):
    trace = tmp_path / "unpickled"
    (published / "cifar-100-python" / name).write_bytes(pickle.dumps(Bomb(trace)))
    message = refused(published)
    assert "cifar-100-python is incomplete or damaged: delete it" in message
    assert not trace.exists()
    pickle.loads(pickle.dumps(Bomb(trace)))
    assert trace.exists()  # it would have shown


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_a_missing_published_file_is_told_before_anything_is_read(published, name):
    (published / "cifar-100-python" / name).unlink()
    with pytest.raises(InputError, match=r"incomplete or damaged.*extract cifar-100-python\.tar"):
        cifar_fs.listing(params(published), "train")


def test_a_data_set_of_fewer_classes_names_the_first_missing_one(tmp_path, monkeypatch):
    fewer = [name for name in NAMES if name not in ("shark", "sea", "wolf")]
    write_published(tmp_path / "cifar-100-python", monkeypatch, fewer)
    assert "2 of the 16 classes of 'val' are missing in" in refused(tmp_path)
    assert "the first is sea: extract" in refused(tmp_path)
    assert len(cifar_fs.listing(params(tmp_path), "test").load().class_names) == 20


def test_a_missing_class_folder_is_named(class_folders):
    shutil.rmtree(class_folders / "data" / "otter")
    assert "1 of the 16 classes of 'val'" in refused(class_folders)
    assert "the first is otter" in refused(class_folders)


def test_an_empty_class_folder_is_named(class_folders):
    for path in (class_folders / "data" / "otter").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert "no images in" in refused(class_folders)
    assert "otter: copy the folder again" in refused(class_folders)


def test_a_folder_that_holds_neither_layout_says_what_to_put_there(tmp_path):
    assert "set download: true, or put cifar-100-python/ or data/<class>/*.png" in refused(tmp_path)


@pytest.mark.parametrize("folder", ["published", "class_folders"])
def test_fingerprint_tells_contents_apart_but_not_places(folder, request):
    folder = request.getfixturevalue(folder)
    prints = {cifar_fs.listing(params(folder), split).fingerprint for split in SPLITS}
    assert len(prints) == 3
    folder = folder.rename(folder.with_name("moved"))
    assert prints == {cifar_fs.listing(params(folder), split).fingerprint for split in SPLITS}
    otter = folder / "data/otter/otter_s_000000.png"
    if otter.exists():  # torchvision takes no published file of another content
        otter.write_bytes(otter.read_bytes() + b"more")
        assert cifar_fs.listing(params(folder), "val").fingerprint not in prints


@pytest.fixture
def web(published: Path, tmp_path: Path, monkeypatch) -> Path:
    """A folder on a web server of this machine, where torchvision looks for a small archive."""
    folder = tmp_path / "web"
    folder.mkdir()
    archive, source = folder / "cifar-100-python.tar.gz", torchvision.datasets.CIFAR100
    with tarfile.open(archive, "w:gz") as file:
        file.add(published / "cifar-100-python", "cifar-100-python")
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setattr(source, "url", f"http://127.0.0.1:{server.server_port}/{archive.name}")
        monkeypatch.setattr(source, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield folder
        server.shutdown()


def test_what_is_not_there_is_downloaded_once(tmp_path, web, published):
    target = tmp_path / "new" / "cifar"
    wanted = params(target, download=True)
    fetched = cifar_fs.listing(wanted, "val").fingerprint
    assert fetched == cifar_fs.listing(params(published), "val").fingerprint
    shutil.rmtree(web)
    assert cifar_fs.splits(wanted) == list(SPLITS)
    bank = cifar_fs.listing(wanted, "val").load()
    assert torch.equal(bank.images, cifar_fs.listing(params(published), "val").load().images)


def test_a_damaged_file_is_downloaded_again(web, published):
    (published / "cifar-100-python" / "train").write_bytes(b"cut short")
    assert len(cifar_fs.listing(params(published, download=True), "val").load().ids) == 16 * 5


FAILING = {
    "no such page": lambda archive: archive.unlink(),
    "wrong checksum": lambda archive: archive.write_bytes(archive.read_bytes()[:-9]),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_failed_download_is_told_in_one_line(tmp_path, web, case):
    FAILING[case](web / "cifar-100-python.tar.gz")
    message = refused(tmp_path / "new", download=True)
    assert "CIFAR-100 could not be downloaded into" in message
    assert "extract cifar-100-python.tar.gz into" in message
    assert message.endswith("and set download: false")
