"""Image banks: decoded once, cached whole or not at all, never stale."""

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fewshot_lib.data import listing
from fewshot_lib.data.bank import (
    ImageBank,
    _cache_file,
    _read_bank,
    _write_bank,
    data_identity,
    load_bank,
)
from fewshot_lib.data.sources import mini_imagenet
from fewshot_lib.errors import InputError
from fewshot_lib.files import cache_folder
from fewshot_lib.spec.parameters import DataParams

SIZE = 16


@pytest.fixture
def params(tmp_path: Path, monkeypatch) -> DataParams:
    """Two classes of two images in train and val; the cache lies beside them."""
    monkeypatch.setenv("FEWSHOT_ROOT", str(tmp_path / "project"))
    for split in ("train", "val"):
        folder = tmp_path / "images" / split
        folder.mkdir(parents=True)
        lines = ["filename,label"]
        for i in range(4):
            colour = (60 * i, 0, 0) if split == "train" else (0, 60 * i, 90)
            Image.new("RGB", (SIZE, SIZE), colour).save(folder / f"{i}.jpg")
            lines.append(f"{i}.jpg,{split} {'ab'[i // 2]}")
        (tmp_path / "images" / f"{split}.csv").write_text("\n".join(lines))
    return DataParams.check(
        {"source": "mini_imagenet", "data_dir": str(tmp_path / "images"), "image_size": SIZE}
    )


def spoil_image(params: DataParams, name: str) -> None:
    """Make a file undecodable."""
    file = Path(params.data_dir) / "train" / name
    file.write_bytes(b"\0" * file.stat().st_size)


def cached() -> Path:
    (file,) = cache_folder().glob("*.safetensors")
    return file


def same(a: ImageBank, b: ImageBank) -> bool:
    tensors = torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
    rest = ("class_names", "ids", "mean", "std")
    return tensors and all(getattr(a, name) == getattr(b, name) for name in rest)


def test_a_bank_comes_back_from_the_cache_as_it_was_loaded(params):
    bank = load_bank(params, "train")
    assert same(bank, mini_imagenet.listing(params, "train").load())
    assert bank.fingerprint == mini_imagenet.listing(params, "train").digest()
    assert (bank.image_size, bank.class_sizes.tolist()) == (SIZE, [2, 2])


def test_the_second_load_decodes_nothing(params, monkeypatch):
    first = load_bank(params, "train")
    monkeypatch.setattr(listing, "decode_all", None)
    with pytest.raises(TypeError):
        mini_imagenet.listing(params, "train").load()
    assert same(load_bank(params, "train"), first)


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_a_truncated_cache_is_built_again(params, keep):
    first = load_bank(params, "train")
    whole = cached().read_bytes()
    first = ImageBank(first.images.clone(), first.labels.clone(), *list(vars(first).values())[2:])
    cached().unlink()  # a fresh file: the old one may still be mapped
    path = _cache_file(params, "train", first.fingerprint)
    path.write_bytes(whole[:keep])
    assert _read_bank(path) is None
    assert same(load_bank(params, "train"), first)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("about", [None, "not json", "[]", json.dumps({"ids": []})])
def test_a_cache_file_with_other_content_counts_as_damaged(tmp_path, about):
    file = tmp_path / "other.safetensors"
    tensors = {"images": torch.zeros(1, 3, 16, 16), "labels": torch.zeros(1)}
    save_file(tensors, file, metadata=about and {"bank": about})
    assert _read_bank(file) is None


def test_a_missing_cache_file_is_none(tmp_path):
    assert _read_bank(tmp_path / "none.safetensors") is None


def test_another_content_is_decoded_again(params):
    load_bank(params, "train")
    Image.new("RGB", (40, 40), (250, 0, 0)).save(Path(params.data_dir) / "train" / "0.jpg")
    assert load_bank(params, "train").images[0, 0].min() > 240


def test_a_cache_that_holds_another_fingerprint_is_not_believed(params):
    bank = load_bank(params, "train")
    other = ImageBank(
        torch.zeros_like(bank.images), bank.labels.clone(), *list(vars(bank).values())[2:]
    )
    _write_bank(cached(), other, "another fingerprint")
    assert load_bank(params, "train").images.any()


@pytest.mark.parametrize("change", [{"image_size": 20}, {"images_per_class": 2}])
def test_size_and_number_of_images_have_caches_of_their_own(params, change):
    load_bank(params, "train")
    changed = params.model_copy(update=change)
    assert load_bank(changed, "train").image_size == changed.image_size
    assert len(list(cache_folder().glob("*.safetensors"))) == 2


def test_no_temporary_file_is_left(params):
    load_bank(params, "train")
    assert not list(cache_folder().glob("*.tmp"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_images_are_mapped_not_read(params):
    bank = load_bank(params, "train")
    assert str(cached()) in Path("/proc/self/maps").read_text()
    assert bank.images.dtype == torch.uint8


def test_changing_a_loaded_image_does_not_change_the_cache(params):
    bank = load_bank(params, "train")
    bank.images.fill_(7)
    assert not torch.equal(load_bank(params, "train").images, bank.images)


def test_an_unknown_split_is_refused(params):
    with pytest.raises(InputError, match="'trian' is not one of train, val, test"):
        load_bank(params, "trian")


def test_a_failed_load_leaves_no_cache(params):
    spoil_image(params, "0.jpg")
    with pytest.raises(InputError, match=r"0\.jpg"):
        load_bank(params, "train")
    assert not list(cache_folder().glob("*.safetensors"))


def test_the_data_s_identity_depends_on_train_and_val(params):
    before = data_identity(params)
    for split in ("train", "val"):
        file = Path(params.data_dir) / split / "0.jpg"
        file.write_bytes(file.read_bytes() + b"\0")
        after = data_identity(params)
        assert all(new != old for new, old in zip(after, before, strict=True))
        before = after


def test_an_image_edited_in_place_is_decoded_again(params):
    """Its size stays, so the name of a run stays; its content does not."""
    file = Path(params.data_dir) / "train" / "0.jpg"
    Image.new("RGB", (SIZE, SIZE)).save(file, "BMP")
    before = load_bank(params, "train")
    data, size = data_identity(params), file.stat().st_size
    Image.new("RGB", (SIZE, SIZE), (250, 0, 0)).save(file, "BMP")
    assert file.stat().st_size == size
    after = load_bank(params, "train")
    assert (before.images[0, 0].max(), after.images[0, 0].min()) == (0, 250)
    assert after.fingerprint != before.fingerprint
    names, content = data_identity(params)
    assert names == data[0]
    assert content != data[1]
