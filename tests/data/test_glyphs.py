"""Letters as a data source: the right scripts, no look-alikes, the same images every time."""

import os
import subprocess
import sys
import unicodedata

import matplotlib
import pytest
import torch

from fewshot_lib.data.sources import _glyph_alphabets as alphabets
from fewshot_lib.data.sources import _glyph_rendering as rendering
from fewshot_lib.data.sources import glyphs
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams

SCRIPTS = {"train": {"LATIN", "GREEK", "CYRILLIC"}, "val": {"ARMENIAN"}, "test": {"GEORGIAN"}}
SMALL = DataParams(image_size=32, images_per_class=3)


@pytest.mark.parametrize(("split", "n_classes"), [("train", 64), ("val", 16), ("test", 20)])
def test_a_split_has_its_own_scripts_and_as_many_classes_as_mini_imagenet(split, n_classes):
    letters = alphabets.letters_of(split)
    assert len(set(letters)) == n_classes
    assert {unicodedata.name(x).split()[0] for x in letters} == SCRIPTS[split]


@pytest.mark.parametrize("split", SCRIPTS)
def test_every_letter_is_in_at_least_eight_faces(split):
    assert all(len(alphabets._faces_of(x)) >= 8 for x in alphabets.letters_of(split))


@pytest.mark.parametrize("split", SCRIPTS)
def test_no_two_classes_of_a_split_look_the_same(split):
    letters = list(alphabets.letters_of(split))
    alike = alphabets._similarity(letters, letters).fill_diagonal_(-1)
    assert alike.max() < 0.9


@pytest.mark.parametrize(("split", "other"), [("val", "train"), ("test", "train"), ("test", "val")])
def test_no_class_looks_like_a_letter_of_another_split(split, other):
    alike = alphabets._similarity(
        list(alphabets.letters_of(split)), list(alphabets.letters_of(other))
    )
    assert alike.max() < alphabets._LOOK_ALIKE


def test_similarity_knows_twins_from_strangers():
    twins = alphabets._similarity(["A", "o", "c"], ["Α", "օ", "с"]).diagonal()
    strangers = alphabets._similarity(["A", "o", "c"], ["ж", "X", "L"]).diagonal()
    assert twins.min() > 0.95
    assert strangers.max() < 0.75


def test_a_shape_fills_its_square_the_longer_way():
    shape = alphabets._letter_shape("I", "DejaVuSans.ttf", 40)
    assert shape.shape == (40, 40)
    assert shape[0].max() > 0.9 and shape[-1].max() > 0.9
    assert shape[:, 0].max() == 0 and shape[:, -1].max() == 0


@pytest.mark.parametrize("split", SCRIPTS)
def test_a_bank_is_complete(split):
    bank = glyphs.listing(SMALL, split).load()
    n_classes = alphabets.N_CLASSES[split]
    assert bank.images.shape == (3 * n_classes, 3, 32, 32)
    assert bank.images.dtype == torch.uint8
    assert bank.class_sizes.tolist() == [3] * n_classes
    assert torch.equal(bank.labels, bank.labels.sort().values)
    assert len(set(bank.ids)) == 3 * n_classes
    assert len(set(bank.class_names)) == n_classes


def test_names_and_ids_say_which_letter():
    assert glyphs._class_name("θ") == "Greek small letter theta"
    bank = glyphs.listing(SMALL, "train").load()
    i = bank.class_names.index("Greek small letter theta")
    assert bank.ids[3 * i : 3 * i + 2] == ["greek_small_theta_0000", "greek_small_theta_0001"]


@pytest.mark.parametrize("size", [16, 28, 33, 84, 256])
def test_any_size_is_drawn(size):
    images = glyphs.draw("Ж", 2, size)
    assert images.shape == (2, 3, size, size)
    assert images.float().std() > 20


def test_an_image_depends_on_letter_and_number_alone(monkeypatch):
    few, many = glyphs.draw("Ж", 5, 32), glyphs.draw("Ж", 12, 32)
    assert torch.equal(few, many[:5])
    monkeypatch.setattr(rendering, "_CHUNK_PIXELS", 3 * 64 * 64)
    assert torch.equal(glyphs.draw("Ж", 12, 32), many)
    assert not torch.equal(glyphs.draw("Ш", 5, 32), few)
    assert len(many.flatten(1).unique(dim=0)) == 12


def test_an_image_does_not_depend_on_the_process():
    code = (
        "import hashlib, torch; torch.set_num_threads(1); torch.manual_seed(3)\n"
        "from fewshot_lib.data.sources import glyphs\n"
        "images = glyphs.draw('Ж', 4, 32)\n"
        "print(hashlib.sha256(images.numpy().tobytes()).hexdigest(), glyphs.letters_of('val'))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_drawing_leaves_the_global_generators_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    glyphs.draw("Ж", 2, 32)
    assert torch.equal(torch.rand(1), expected)


def test_letters_can_be_told_apart_from_their_ground():
    images = glyphs.draw("Ж", 200, 32).float() / 255
    centre = images[:, :, 8:24, 8:24].flatten(2)
    spread = centre.quantile(0.95, 2) - centre.quantile(0.05, 2)
    assert spread.amax(1).min() > 0.2


def test_both_polarities_occur():
    images = glyphs.draw("Ж", 200, 32).float().mean((1, 2, 3)) / 255
    dark = (images < 0.45).float().mean()
    assert 0.1 < dark < 0.6


def test_rolls_are_dealt_out_once_and_suffice():
    rolls = rendering._Rolls(torch.arange(12.0).view(2, 6).numpy())
    assert rolls.take(2).tolist() == [[0, 1], [6, 7]]
    assert rolls.take().tolist() == [2, 8]
    with pytest.raises(RuntimeError):
        rolls.take(7)


def test_the_fingerprint_follows_content_alone(monkeypatch):
    before = glyphs.listing(SMALL, "val").fingerprint
    assert glyphs.listing(DataParams(data_dir="elsewhere"), "val").fingerprint == before
    assert glyphs.listing(SMALL, "train").fingerprint != before
    monkeypatch.setattr(glyphs, "NUISANCE", rendering._Nuisance(turn=90.0))
    assert glyphs.listing(SMALL, "val").fingerprint != before


def test_missing_fonts_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(InputError, match=r"DejaVuSans\.ttf.*reinstall matplotlib"):
        alphabets._font_path("DejaVuSans.ttf")
