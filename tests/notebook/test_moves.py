"""Where prototypes go when hallucinated features join them."""

import pytest
import torch

from fewshot_lib.experiments.matrix import SeedRuns, run_seeds
from fewshot_lib.experiments.runs import run
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook.moves import prototype_arrows, prototype_move


@pytest.fixture
def hallucinating(make_spec, project):
    return run(make_spec(method="hallucination", n_aug=3))


def test_a_prototype_of_the_single_shot_alone_does_not_move(hallucinating):
    move = prototype_move(SeedRuns((hallucinating,)), n_aug=0)
    assert move.ratio.mean == pytest.approx(1)
    assert move.nearer.mean == 0
    assert move.middle.mean == pytest.approx(1)
    assert move.righter.mean == 0


def test_a_length_that_a_cosine_does_not_see_is_no_move(make_spec, project, monkeypatch):
    made = run(make_spec(distance="cosine"))
    monkeypatch.setattr(made.learner, "prototypes", lambda shot, *how: 3 * shot.embedded[:, 0])
    move = prototype_move(SeedRuns((made,)), n_aug=1)
    assert move.ratio.mean == pytest.approx(1, abs=1e-4)
    assert move.righter.mean == 0


def test_the_move_of_known_fakes_by_hand(hallucinating):
    """The last bias is the split's mean feature and the rest is silent: every fake is it."""
    net, raw = hallucinating.learner.net, hallucinating.features("val").raw
    last = net.hallucinate.encoder[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(raw.mean(0))
        single, mixed = net.mlp(raw), net.mlp((raw + 4 * raw.mean(0)) / 5)
    centres = single.view(5, 12, -1).mean(1).repeat_interleave(12, 0)
    far_mixed, far_single = ((x - centres).norm(dim=1) for x in (mixed, single))
    labels = torch.arange(5).repeat_interleave(12)
    right_mixed, right_single = (
        torch.stack([(p - c).norm(dim=1) for c in centres[::12]]).argmin(0) == labels
        for p in (mixed, single)
    )
    gap = right_mixed.double().mean() - right_single.double().mean()
    move = prototype_move(SeedRuns((hallucinating,)), n_aug=4)
    assert move.ratio.mean == pytest.approx((far_mixed / far_single).mean().item(), rel=1e-4)
    assert move.nearer.mean == pytest.approx((far_mixed < far_single).double().mean().item())
    assert move.righter.mean == pytest.approx(gap.item())


@pytest.fixture
def two_seeds(make_spec, project) -> SeedRuns:
    specs = {
        ("fakes", seed): make_spec(epochs=2, seed=seed, method="hallucination", n_aug=3)
        for seed in (4, 5)
    }
    return run_seeds(specs)["fakes"]


def test_moves_of_prototypes_are_means_over_seeds(two_seeds):
    each = [prototype_move(SeedRuns((one,)), 3) for one in two_seeds.seeds]
    found = prototype_move(two_seeds, 3)
    assert found.ratio == Interval.of_seeds([move.ratio for move in each])
    assert found.righter == Interval.of_seeds([move.righter for move in each])


def test_arrows_keep_distances_that_the_plane_holds(hallucinating):
    """Without hallucinated features no prototype moves; the plane is centred on its points."""
    arrows = prototype_arrows(SeedRuns((hallucinating,)), 0, n_class=3, n_image=4)
    assert arrows.single.shape == (3, 4, 2)
    assert torch.allclose(arrows.single, arrows.mixed, atol=1e-4)
    assert len(arrows.names) == len(arrows.means) == 3
    points = torch.cat([arrows.single.flatten(0, 1), arrows.means])
    assert points.mean(0).abs().max() < 1e-4
    moved = prototype_arrows(SeedRuns((hallucinating,)), 3, n_class=3, n_image=4)
    assert not torch.allclose(moved.single, moved.mixed, atol=1e-4)
