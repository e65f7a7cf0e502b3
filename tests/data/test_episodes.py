"""Episodes: the right images, each once, drawn uniformly, the same for the same generator."""

import pytest
import torch

from fewshot_lib.data import episodes
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.errors import InputError


def sample(bank, n_episodes=50, n_way=3, n_shot=2, n_query=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return sample_episodes(bank, n_episodes, n_way, n_shot, n_query, generator)


def assert_sound(bank, drawn):
    """One class a row, another class in every row of an episode, no image twice."""
    classes = bank.labels[drawn]
    assert (classes == classes[..., :1]).all()
    assert all(len(set(row)) == len(row) for row in classes[..., 0].tolist())
    assert all(len(set(row)) == len(row) for row in drawn.flatten(1).tolist())


def test_shape_and_type(bank):
    drawn = sample(bank, n_episodes=7, n_way=4, n_shot=2, n_query=3)
    assert drawn.shape == (7, 4, 5)
    assert drawn.dtype == torch.int64


@pytest.mark.parametrize("sizes", [(12,) * 6, (6, 30, 7, 11), (6, 6, 6)])
def test_rows_are_distinct_classes_of_distinct_images(make_bank, sizes):
    bank = make_bank(*sizes)
    assert_sound(bank, sample(bank))


def test_the_same_generator_the_same_episodes(bank):
    assert torch.equal(sample(bank, seed=3), sample(bank, seed=3))
    assert not torch.equal(sample(bank, seed=3), sample(bank, seed=4))


def test_every_image_is_reached_in_classes_of_unequal_sizes(make_bank):
    bank = make_bank(2, 9, 5, 30)
    drawn = sample(bank, n_episodes=300, n_way=2, n_shot=1, n_query=1)
    assert set(drawn[..., 0].flatten().tolist()) == set(range(46))
    assert set(drawn[..., 1].flatten().tolist()) == set(range(46))


def test_classes_and_images_are_drawn_uniformly(make_bank):
    bank = make_bank(8, 2, 8, 5, 8)
    drawn = sample(bank, n_episodes=4000, n_way=2, n_shot=1, n_query=1)
    for row in range(2):
        counts = bank.labels[drawn[:, row, 0]].bincount(minlength=5)
        assert (counts / 4000).tolist() == pytest.approx([1 / 5] * 5, abs=0.03)
    supports = drawn[..., 0].flatten()
    of_first_class = supports[supports < 8].bincount(minlength=8)
    assert (of_first_class / of_first_class.sum()).tolist() == pytest.approx([1 / 8] * 8, abs=0.03)


def test_blocks_join_to_as_many_sound_episodes(bank, monkeypatch):
    monkeypatch.setattr(episodes, "_BLOCK", 300)  # 8 of these episodes
    drawn = sample(bank, n_episodes=50)
    assert len(drawn) == 50
    assert_sound(bank, drawn)
    assert len({tuple(row) for row in drawn.flatten(1).tolist()}) == 50


def test_a_class_may_be_used_up_exactly(make_bank):
    drawn = sample(make_bank(6, 6), n_episodes=1, n_way=2, n_shot=2, n_query=4)
    assert sorted(drawn.flatten().tolist()) == list(range(12))


def test_too_few_classes_are_named(bank):
    with pytest.raises(InputError, match="7-way episodes need 7 classes, there are 6"):
        sample(bank, n_way=7)


def test_the_class_with_too_few_images_is_named_with_all_numbers(make_bank):
    with pytest.raises(InputError) as caught:
        sample(make_bank(9, 5, 9), n_way=2)
    message = str(caught.value)
    assert "class 'b' has 5 images" in message
    assert "6 of each class (2 support + 4 query)" in message
