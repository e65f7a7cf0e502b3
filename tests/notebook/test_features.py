"""Numbers that say what a map of features shows."""

import math

import pytest
import torch

from fewshot_lib.experiments.matrix import SeedRuns, run_seeds
from fewshot_lib.experiments.runs import bank_for, run
from fewshot_lib.learning.evaluation import encode
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook.features import (
    Cloud,
    _centre_accuracy,
    _silhouette,
    _spread,
    clouds,
    measures,
    pick_images,
    tsne,
)

IMAGES = torch.tensor([[5, 3], [8, 9]])
APART = torch.tensor([[[0.0, 0.0], [0.0, 2.0]], [[10.0, 0.0], [10.0, 2.0]]])


@pytest.fixture
def hallucinating(make_spec, project):
    return run(make_spec(method="hallucination", n_aug=3))


def test_classes_apart_are_told_by_their_centres():
    assert _centre_accuracy(APART).mean == 1


def test_a_feature_does_not_vouch_for_itself():
    """Two classes of two: without itself each feature's own centre is the far twin."""
    torn = torch.tensor([[[0.0], [10.0]], [[1.0], [11.0]]])
    # 0: own centre 10, other 6; 10: own 0, other 6; 1 and 11 alike.
    assert _centre_accuracy(torn).mean == 0


def test_silhouette_by_hand():
    # a = 2 within, b = mean of 10 and sqrt(104) to the other class, for all four.
    b = (10 + math.sqrt(104)) / 2
    assert _silhouette(APART) == pytest.approx((b - 2) / b)


def test_spread_is_the_mean_distance_within_a_class():
    assert _spread(APART) == pytest.approx(2.0)
    assert _spread(3 * APART) == pytest.approx(6.0)


def test_measures_of_real_features_alone_say_nothing_of_fakes():
    cloud = Cloud(APART, APART.new_empty(2, 2, 0, 2), ["a", "b"], IMAGES)
    assert set(measures([cloud])) == {"centre accuracy, real", "silhouette, real"}


def test_diversity_is_relative_to_the_real_features():
    fakes = (APART / 2).unsqueeze(2)
    assert measures([Cloud(APART, fakes, ["a", "b"], IMAGES)])["diversity"] == pytest.approx(0.5)


def test_tsne_has_a_row_for_every_feature_and_repeats():
    fakes = torch.randn(2, 4, 3, 5)
    cloud = Cloud(torch.randn(2, 4, 5), fakes, ["a", "b"], torch.arange(8).view(2, 4))
    frame = tsne(cloud)
    assert frame.groupby(["kind", "class"]).size().to_dict() == {
        ("real", "a"): 4,
        ("real", "b"): 4,
        ("hallucinated", "a"): 12,
        ("hallucinated", "b"): 12,
        ("prototype", "a"): 1,
        ("prototype", "b"): 1,
    }
    assert frame.equals(tsne(cloud))


def test_rows_of_tsne_name_their_images():
    cloud = Cloud(APART, APART.unsqueeze(2).repeat(1, 1, 2, 1), ["a", "b"], IMAGES)
    images = tsne(cloud).groupby("kind", sort=False)["image"].agg(list).to_dict()
    assert images == {
        "real": [5, 3, 8, 9],
        "hallucinated": [5, 5, 3, 3, 8, 8, 9, 9],
        "prototype": [-1, -1],
    }


def test_rows_of_tsne_belong_to_their_points():
    """Classes far apart: real and hallucinated features and the prototype of each meet."""
    real = torch.randn(3, 15, 4, generator=torch.Generator().manual_seed(1))
    real += 1000 * torch.eye(3, 4).unsqueeze(1)
    cloud = Cloud(real, real.unsqueeze(2) + 0.1, ["a", "b", "c"], torch.arange(45).view(3, 15))
    centres = tsne(cloud).groupby(["kind", "class"])[["x", "y"]].mean()
    reals = centres.loc["real"].to_numpy()
    for kind in ("hallucinated", "prototype"):
        far = ((reals[:, None] - centres.loc[kind].to_numpy()[None]) ** 2).sum(-1)
        assert far.argmin(1).tolist() == [0, 1, 2]


def test_the_same_images_are_looked_at_in_every_run(hallucinating, make_spec):
    plain = run(make_spec())
    chosen = pick_images(hallucinating, "val", 3, 4)
    assert torch.equal(chosen, pick_images(plain, "val", 3, 4))
    labels = bank_for(plain.spec, "val").labels[chosen]
    assert (labels == labels[:, :1]).all()
    assert labels[:, 0].unique().numel() == 3


def test_clouds_hold_the_features_of_the_chosen_images(hallucinating):
    images = pick_images(hallucinating, "val", 3, 4)
    bank = bank_for(hallucinating.spec, "val")
    raw = encode(hallucinating.learner, bank, torch.device("cpu")).raw
    spaces = clouds(SeedRuns((hallucinating,)), "val", n_class=3, n_image=4, n_aug=2)
    found = {space: cloud for space, (cloud,) in spaces.items()}
    assert list(found) == ["before MLP", "after MLP"]
    assert torch.allclose(found["before MLP"].real, raw[images])
    assert torch.equal(found["after MLP"].images, images)
    assert found["after MLP"].hallucinated.shape == (3, 4, 2, 64)


def test_problem_1_hallucinates_nothing(make_spec, project):
    (cloud,) = clouds(SeedRuns((run(make_spec()),)), "val", 3, 4, 2)["after MLP"]
    assert cloud.hallucinated.shape == (3, 4, 0, 64)


@pytest.fixture
def two_seeds(make_spec, project) -> SeedRuns:
    specs = {
        ("fakes", seed): make_spec(epochs=2, seed=seed, method="hallucination", n_aug=3)
        for seed in (4, 5)
    }
    return run_seeds(specs)["fakes"]


def test_features_of_all_seeds_are_those_of_the_same_images(two_seeds):
    found = clouds(two_seeds, "val", 3, 4, 2)
    for seed, one in enumerate(two_seeds.seeds):
        for space, (cloud,) in clouds(SeedRuns((one,)), "val", 3, 4, 2).items():
            assert torch.equal(found[space][seed].real, cloud.real)
            assert torch.equal(found[space][seed].images, cloud.images)


def test_measures_are_means_over_seeds(two_seeds):
    space = clouds(two_seeds, "val", 3, 4, 2)["after MLP"]
    each, mean = [measures([cloud]) for cloud in space], measures(space)
    name = "centre accuracy, hallucinated"
    assert mean[name] == Interval.of_seeds([m[name] for m in each])
    assert mean["diversity"] == pytest.approx((each[0]["diversity"] + each[1]["diversity"]) / 2)


def test_only_the_first_seed_keeps_its_features(two_seeds):
    clouds(two_seeds, "val", 3, 4, 2)
    assert ["val" in one._features for one in two_seeds.seeds] == [True, False]
