"""Batches: normalised as written, augmented image by image, repeatable."""

import math

import pytest
import torch
from torch.nn import functional as F

from fewshot_lib.learning import batches
from fewshot_lib.learning.batches import (
    AUGMENTATIONS,
    _luminance,
    _turn,
    epoch_batches,
    make_batch,
    place,
)
from fewshot_lib.learning.device import Plan
from fewshot_lib.spec.parameters import Spec

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pixels_are_normalised_by_the_bank_s_statistics(bank):
    batch = make_batch(bank, torch.tensor([5, 2]), CPU)
    for i, index in enumerate([5, 2]):
        for channel in range(3):
            pixels = bank.images[index, channel].double() / 255
            expected = (pixels - bank.mean[channel]) / bank.std[channel]
            torch.testing.assert_close(batch[i, channel].double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("augment", [[], *([name] for name in AUGMENTATIONS), [*AUGMENTATIONS]])
def test_type_shape_and_memory_layout(bank, augment):
    before = bank.images.clone()
    indices = torch.arange(12).view(3, 4)
    batch = make_batch(bank, indices, CPU, augment, generator())
    assert batch.shape == (12, 3, 16, 16)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(bank.images, before)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_generator_the_same_batch(bank, name):
    indices = torch.arange(20)
    batches = [make_batch(bank, indices, CPU, [name], generator(seed)) for seed in (0, 0, 1)]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_image_is_drawn_apart(name):
    copies = torch.rand(1, 3, 16, 16, generator=generator()).expand(40, -1, -1, -1)
    drawn = AUGMENTATIONS[name](copies, generator())
    assert len({image.numpy().tobytes() for image in drawn}) > (1 if name == "flip" else 10)


def test_a_spec_takes_every_augmentation_there_is():
    assert Spec.check({"augment": [*AUGMENTATIONS]}).augment == [*AUGMENTATIONS]


def test_flip_mirrors_about_half_of_the_images():
    images = torch.rand(200, 3, 16, 16, generator=generator())
    flipped = AUGMENTATIONS["flip"](images, generator())
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    kept = (flipped == images).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 70 < mirrored.sum() < 130


def test_crop_shows_a_window_of_the_reflected_surroundings():
    images = torch.rand(600, 3, 16, 16, generator=generator())
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
    cropped = AUGMENTATIONS["crop"](images, generator())
    shifts = [(y, x) for y in range(5) for x in range(5)]
    windows = torch.stack([padded[:, :, y : y + 16, x : x + 16] for y, x in shifts])
    matches = (windows == cropped).flatten(2).all(2)
    assert (matches.sum(0) == 1).all()
    assert matches.any(1).all()  # all 25 shifts occur


def test_jitter_stays_between_black_and_white():
    images = torch.rand(100, 3, 16, 16, generator=generator()).round()  # the extremes themselves
    jittered = AUGMENTATIONS["jitter"](images, generator())
    assert jittered.min() >= 0
    assert jittered.max() <= 1


def test_jitter_changes_an_even_grey_by_its_brightness_alone():
    grey = torch.full((500, 3, 16, 16), 0.5)
    jittered = AUGMENTATIONS["jitter"](grey, generator())
    levels = jittered[:, :1, :1, :1]
    torch.testing.assert_close(jittered, levels.expand_as(jittered))
    assert 0.3 <= levels.min() < 0.32
    assert 0.68 < levels.max() <= 0.7


def test_jitter_changes_contrast_and_saturation_by_their_factors():
    pixels = 0.45 + 0.1 * torch.rand(1, 3, 16, 16, generator=generator())  # nothing is clamped
    jittered = AUGMENTATIONS["jitter"](pixels.expand(300, -1, -1, -1), generator())
    grey = _luminance(jittered).flatten(1)
    contrast = grey.std(1) / grey.mean(1)  # brightness cancels, and so does saturation
    saturation = (jittered[:, 0] - jittered[:, 1]).flatten(1).std(1) / grey.std(1)
    for spread in (contrast, saturation):
        assert 2.2 < spread.max() / spread.min() <= 1.4 / 0.6 + 1e-3


def test_the_memory_layout_is_chosen_and_changes_no_value(bank):
    indices = torch.arange(12)
    last, usual = (
        make_batch(bank, indices, CPU, [*AUGMENTATIONS], generator(), layout)
        for layout in (torch.channels_last, torch.contiguous_format)
    )
    assert usual.is_contiguous()
    assert torch.equal(last, usual)


def test_a_quarter_turn_is_a_quarter_turn():
    images = torch.rand(2, 3, 16, 16, generator=generator())
    turned = _turn(images, torch.tensor([math.pi / 2, -math.pi / 2]))
    expected = torch.stack([images[0].rot90(1, (1, 2)), images[1].rot90(-1, (1, 2))])
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(_turn(images, torch.zeros(2)), images, rtol=0, atol=1e-5)


def test_rotate_turns_by_at_most_15_degrees_to_either_side():
    """A bright spot straight above the centre: how far it goes to the side is the angle's sine."""
    images = torch.zeros(300, 3, 65, 65)
    images[:, :, 6, 32] = 1
    turned = AUGMENTATIONS["rotate"](images, generator())[:, 0].flatten(1).argmax(1) % 65 - 32
    reach = 26 * math.sin(math.radians(15))  # 6.7 pixels
    assert -reach - 1 <= turned.min() < 2 - reach
    assert reach - 2 < turned.max() <= reach + 1


def test_rotate_fills_corners_from_the_image():
    images = torch.full((50, 3, 16, 16), 0.7)
    torch.testing.assert_close(
        AUGMENTATIONS["rotate"](images, generator()), images, rtol=0, atol=1e-5
    )


def test_pixels_are_placed_on_the_device_and_labels_stay(bank):
    placed = place(bank, torch.device("meta"))
    assert placed.images.device.type == "meta"
    assert placed.labels is bank.labels
    assert place(bank, CPU) is bank


def test_images_that_do_not_fit_stay(bank, monkeypatch):
    monkeypatch.setattr(batches, "_has_room", lambda *_: False)
    assert place(bank, torch.device("meta")) is bank


def test_a_group_draws_the_episodes_that_single_steps_draw(bank):
    """Same images, same augmentation, in the same order."""
    drawn, sizes = [], []
    for together in (1, 3):
        spec = Spec.check(
            {"episodes": 4, "episodes_per_step": together, "augment": ["flip", "rotate"]}
        )
        groups = list(epoch_batches(spec, bank, Plan(), epoch=2))
        sizes.append([len(group) for group in groups])
        drawn.append([episode for group in groups for episode in group])
    assert sizes == [[1, 1, 1, 1], [3, 1]]
    for ours, theirs in zip(*drawn, strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_labels_are_the_classes_of_the_images(bank):
    spec = Spec.check({"episodes": 2, "n_query": 3})
    for ((images, labels),) in epoch_batches(spec, bank, Plan(), epoch=1):
        assert images.shape == (20, 3, 16, 16)
        assert labels.view(5, 4).unique(dim=1).shape == (5, 1)
        assert len(labels.unique()) == 5
