"""Names of classes as readers know them."""

from types import SimpleNamespace

import pytest

from fewshot_lib.notebook.classes import _synsets, class_words, shared_words


def test_mini_imagenet_s_classes_have_words():
    assert len(_synsets()) == 100 == len(set(_synsets().values()))
    bank = SimpleNamespace(class_names=["n02099601", "n07697537", "n00000000"])
    assert list(class_words(bank).values()) == ["golden retriever", "hot dog", "n00000000"]


@pytest.mark.parametrize(
    ("names", "shared", "words"),
    [
        (
            ["Armenian capital letter ayb", "Armenian capital letter ben"],
            "Armenian capital letter",
            ["Ա ayb", "Բ ben"],
        ),
        (["Greek small letter xi", "Latin capital letter w"], "", ["ξ xi", "W w"]),
        (["wild cat", "tame dog"], "", ["wild cat", "tame dog"]),
        (["only one"], "only", ["one"]),
        (["cat", "dog"], "", ["cat", "dog"]),
    ],
)
def test_words_that_all_names_share_are_said_once(names, shared, words):
    bank = SimpleNamespace(class_names=names)
    assert shared_words(bank) == shared
    assert list(class_words(bank).values()) == words
