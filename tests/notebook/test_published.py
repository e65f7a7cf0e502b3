"""Others' values stand beside ours where data, image size and protocol are the same."""

import pytest

from fewshot_lib.notebook.published import (
    ORIGINAL,
    TEST_CASES,
    compared_values,
    data_in_words,
    others_in_words,
    others_values,
    protocol,
)
from fewshot_lib.spec.parameters import Spec

MINI = {"source": "mini_imagenet", "data_dir": "somewhere", "image_size": 84}


@pytest.mark.parametrize(
    ("changes", "classes", "original", "published"),
    [
        ({}, TEST_CASES, True, False),
        ({}, "val", False, False),
        ({}, "test", False, True),
        ({"flip_test": True}, TEST_CASES, True, False),
        ({"image_size": 32}, TEST_CASES, False, False),
        ({"source": "folder"}, "test", False, False),
        ({"n_way_test": 10}, "test", False, False),
        ({"n_shot": 5}, TEST_CASES, False, False),
    ],
)
def test_values_are_those_of_the_same_test(changes, classes, original, published):
    spec = Spec.check(MINI | changes)
    found = others_values(data_in_words(spec), protocol(spec), classes)
    assert tuple("Problem 1" in values for values in found) == (original, published)
    others = others_in_words(spec, classes)
    assert ("plain" in others, "Original" in others) == (published, original)
    assert not any("calibrated" in name for values in found for name in values)


def test_mirror_images_are_named():
    assert protocol(Spec.check(MINI)) == "5-way 1-shot"
    assert "mirror image" in protocol(Spec.check(MINI | {"flip_test": True}))


@pytest.mark.parametrize(
    ("changes", "alike"),
    [({"n_way": 5}, True), ({"n_way": 30}, False), ({"n_way": 5, "image_size": 32}, False)],
)
def test_compared_settings_are_alike_with_5_way_training(changes, alike):
    assert compared_values(Spec.check(MINI | changes)) == (ORIGINAL if alike else {})
