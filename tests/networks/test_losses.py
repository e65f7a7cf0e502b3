"""Losses: hand-computed values, finite where distances vanish or explode."""

import math

import pytest
import torch
from torch import nn

from fewshot_lib.networks import losses
from fewshot_lib.networks.adversarial import Critic

# Two pairs of fakes and of noises in the plane, whose cosines and distances are plain to see.
FAKES = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [-2.0, 0.0]]])  # cosines 0, −1
NOISE = torch.tensor([[[1.0, 0.0], [0.0, -2.0]], [[1.0, 1.0], [2.0, 0.0]]])  # cosines 0, 1/√2
RATIOS = [1.0, 2 / (1 - math.sqrt(0.5))]

# Two classes with three queries each; only the very last is nearer to the other prototype.
LOGITS = torch.tensor([[[2.0, 0.0], [1.0, 0.0], [0.0, -1.0]], [[0.0, 3.0], [0.0, 0.5], [1.0, 0.0]]])
ADVANTAGES = [2.0, 1.0, 1.0, 3.0, 0.5, -1.0]  # own logit minus the other


def test_targets_are_the_rows_of_every_episode():
    assert losses._own_class(torch.zeros(5, 2, 3, 2)).tolist() == [[[0, 0, 0], [1, 1, 1]]] * 5


def test_classification_loss_by_hand():
    expected = sum(math.log(1 + math.exp(-a)) for a in ADVANTAGES) / 6
    assert losses.classification_loss(LOGITS).item() == pytest.approx(expected, rel=1e-6)


def test_accuracy_by_hand():
    assert losses.accuracy(LOGITS).item() == pytest.approx(5 / 6)


def test_leading_dimensions_are_episodes():
    both = torch.stack([LOGITS, -LOGITS])
    single = [losses.classification_loss(x).item() for x in both]
    assert losses.classification_loss(both).item() == pytest.approx(sum(single) / 2)
    assert losses.accuracy(both).item() == pytest.approx(1 / 2)


def test_discriminator_and_fooling_loss_by_hand():
    real, fake = torch.tensor([0.8, 0.5]), torch.tensor([[0.3], [0.6], [0.5]])
    right = [math.log(p) for p in (0.8, 0.5, 0.7, 0.4, 0.5)]
    flipped = [math.log(p) for p in (0.2, 0.5, 0.3, 0.6, 0.5)]
    loss = losses.discriminator_loss(real, fake)
    assert loss.item() == pytest.approx(-sum(right) / 5, rel=1e-6)
    loss = losses.fooling_loss(real, fake)
    assert loss.item() == pytest.approx(-sum(flipped) / 5, rel=1e-6)


def test_diversity_losses_by_hand():
    ratios = losses._anti_collapse_ratio(FAKES, NOISE)
    assert ratios.tolist() == pytest.approx(RATIOS, rel=1e-5)
    mean = sum(RATIOS) / 2
    loss = losses.cosine_diversity_loss(FAKES, NOISE)
    assert loss.item() == pytest.approx(mean - 1, rel=1e-5)
    loss = losses.anti_collapse_loss(FAKES, NOISE)
    assert loss.item() == pytest.approx(1 / mean, rel=1e-5)


def test_cosine_diversity_is_two_sided():
    nearly_equal = torch.tensor([[[1.0, 0.0], [1.0, 0.1]]])
    opposite = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
    gap = 1 - 1 / math.sqrt(1.01)
    loss = losses.cosine_diversity_loss(nearly_equal, opposite)
    assert loss.item() == pytest.approx(1 - gap / 2, rel=1e-5)


def test_euclidean_diversity_by_hand():
    fake_weights, noise_weights = [math.exp(-2), math.exp(-9)], [math.exp(-5), math.exp(-2)]
    ratios = [
        (z / sum(noise_weights)) / (f / sum(fake_weights))
        for z, f in zip(noise_weights, fake_weights, strict=True)
    ]
    loss = losses.euclidean_diversity_loss(FAKES, NOISE)
    assert loss.item() == pytest.approx(abs(sum(ratios) / 2 - 1), rel=1e-4)


def test_euclidean_diversity_is_bounded_where_a_softmax_underflows():
    far_apart = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[90.0, 0.0], [0.0, 0.0]]])
    loss = losses.euclidean_diversity_loss(far_apart, NOISE)
    share_of_first_noise = math.exp(-5) / (math.exp(-5) + math.exp(-2))
    assert loss.item() == pytest.approx((share_of_first_noise + math.exp(10)) / 2 - 1, rel=1e-5)


@pytest.mark.parametrize("spread", [1.0, 0.5])
def test_diversity_losses_vanish_where_fakes_differ_as_their_noises(spread):
    assert losses.cosine_diversity_loss(spread * NOISE, NOISE).item() == pytest.approx(0, abs=1e-6)
    assert losses.euclidean_diversity_loss(NOISE - spread, NOISE).item() == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize(
    "loss",
    [losses.cosine_diversity_loss, losses.anti_collapse_loss, losses.euclidean_diversity_loss],
)
@pytest.mark.parametrize("noise_gap", [0.0, 1e-7, 1e-4, 1.0])
@pytest.mark.parametrize("fake_gap", [0.0, 1e-7, 1.0, 1e4])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_values_and_gradients_are_finite(loss, noise_gap, fake_gap, size):
    torch.manual_seed(0)
    fakes, noise = torch.randn(5, 1, 2, 64), torch.randn(5, 1, 2, 128)
    fakes[0, :, 1] = fakes[0, :, 0] + fake_gap * torch.randn(64)
    noise[0, :, 1] = noise[0, :, 0] + noise_gap * torch.randn(128)
    fakes = (size * fakes).requires_grad_()
    value = loss(fakes, noise)
    (gradient,) = torch.autograd.grad(value, fakes)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_a_certain_discriminator_gives_finite_losses(certain):
    real = torch.full((2,), certain, requires_grad=True)
    fake = torch.full((4,), 1 - certain, requires_grad=True)
    for loss in (losses.discriminator_loss(real, fake), losses.fooling_loss(real, fake)):
        assert loss.isfinite()
        assert all(g.isfinite().all() for g in torch.autograd.grad(loss, [real, fake]))


class LinearCritic(nn.Module):
    """Scores ``slope · feature``: its gradient has the same norm everywhere."""

    def __init__(self, *slope: float):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, features, condition):
        return features @ self.slope + 0 * condition.sum()


def test_gradient_penalty_of_a_linear_critic_is_its_slope_s():
    critic = LinearCritic(3.0, 4.0)
    penalty = losses._gradient_penalty(critic, torch.randn(6, 1, 2), torch.randn(6, 2, 2))
    assert penalty.item() == pytest.approx((5 - 1) ** 2, rel=1e-6)
    (gradient,) = torch.autograd.grad(penalty, critic.slope)
    assert gradient.tolist() == pytest.approx([2 * 4 * 3 / 5, 2 * 4 * 4 / 5], rel=1e-5)


def test_gradient_penalty_looks_between_real_and_fake():
    seen = []

    def critic(features, condition):
        seen.append(features.detach())
        return features.square().sum(-1)

    losses._gradient_penalty(critic, torch.zeros(50, 1, 2), torch.ones(50, 2, 2))
    (points,) = seen
    assert (points[..., 0] == points[..., 1]).all()  # on the line, one share for a whole feature
    assert 0 <= points.min() < 0.1
    assert 0.9 < points.max() <= 1
    assert len(points[..., 0].unique()) > 90


def test_gradient_penalty_of_a_flat_critic_is_finite():
    critic = LinearCritic(0.0, 0.0)
    penalty = losses._gradient_penalty(critic, torch.randn(3, 1, 2), torch.randn(3, 2, 2))
    (gradient,) = torch.autograd.grad(penalty, critic.slope)
    assert penalty.item() == 1
    assert gradient.isfinite().all()


def test_critic_loss_is_fake_minus_real_plus_the_penalty():
    critic = LinearCritic(3.0, 4.0)
    real, fakes = torch.ones(5, 1, 2), torch.zeros(5, 1, 2, 2)
    fakes[..., 0] = 2
    loss = losses.critic_loss(critic, real, fakes)
    assert loss.item() == pytest.approx(6 - 7 + 10 * 16, rel=1e-6)
    loss = losses.critic_loss(critic, real, fakes, penalty_weight=0)
    assert loss.item() == pytest.approx(6 - 7, rel=1e-6)


def test_descending_the_critic_loss_makes_real_features_score_higher():
    torch.manual_seed(0)
    critic, real = Critic(8), torch.randn(10, 1, 8)
    fakes = real.unsqueeze(-2) + 2 * torch.randn(10, 1, 2, 8)
    optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        losses.critic_loss(critic, real, fakes).backward()
        optimizer.step()
    condition = real.unsqueeze(-2)
    assert critic(condition, condition).mean() > critic(fakes, condition).mean() + 0.5
