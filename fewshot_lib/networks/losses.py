"""Losses of all problems. Means over the batch, scalars; ``d`` is the feature size.

Fakes come in pairs: ``(..., 2, d)`` are two hallucinations of one feature from two noises
``(..., 2, 128)``.
"""

import torch
from torch.nn import functional as F

from fewshot_lib.networks.adversarial import Critic

_EPSILON = 1e-6
_MAX_LOG_RATIO = 10.0


def _own_class(logits: torch.Tensor) -> torch.Tensor:
    """Targets ``(..., n_way, n_query)`` of logits ``(..., n_way, n_query, n_way)``."""
    target = torch.arange(logits.shape[-1], device=logits.device).unsqueeze(-1)
    return target.expand(logits.shape[:-1])


def classification_loss(logits: torch.Tensor) -> torch.Tensor:
    """Cross entropy of queries against prototypes, −log P(own class) (Snell et al. 2017, eq. 2).

    Args:
        logits: ``(..., n_way, n_query, n_way)``; row c's queries belong to class c.
    """
    return F.cross_entropy(logits.flatten(0, -2), _own_class(logits).flatten())


def accuracy(logits: torch.Tensor) -> torch.Tensor:
    """Share of queries whose own prototype is the nearest; logits as above."""
    return (logits.argmax(-1) == _own_class(logits)).float().mean()


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """BCE with the right labels: −mean of log D(real) and log(1 − D(fake)) (Goodfellow 2014).

    Args:
        real, fake: the discriminator's probabilities, any shapes.
    """
    judged = torch.cat([real.flatten(), fake.flatten()])
    truth = torch.cat([torch.ones(real.numel()), torch.zeros(fake.numel())])
    return F.binary_cross_entropy(judged, truth.to(judged))


def fooling_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """BCE with the labels flipped: small when fakes pass as real (the original's listing).

    The real part carries no gradient for the generator; it is there because the size of this
    loss sets the weight of the fakes in the extractor's step.
    """
    return discriminator_loss(fake, real)


def cosine_diversity_loss(fakes: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """|mean((1 − cos(f₁, f₂)) / (1 − cos(z₁, z₂))) − 1|: fakes differ as much as their noises.

    The original's own two-sided form of AFHN's anti-collapse ratio.
    """
    return (_anti_collapse_ratio(fakes, noise).mean() - 1).abs()


def _anti_collapse_ratio(fakes: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """(1 − cos(f₁, f₂)) / (1 − cos(z₁, z₂)) for each pair (Li et al. 2020, eq. 5), ``(...)``."""
    fake_gap, noise_gap = (
        1 - F.cosine_similarity(pair[..., 0, :], pair[..., 1, :], dim=-1) for pair in (fakes, noise)
    )
    return fake_gap / noise_gap.clamp_min(_EPSILON)


def anti_collapse_loss(fakes: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """1 / mean ratio: large when two noises give nearly the same fake (Li et al. 2020)."""
    return 1 / (_anti_collapse_ratio(fakes, noise).mean() + _EPSILON)


def euclidean_diversity_loss(fakes: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """|mean(softmax(d(z₁, z₂)) / softmax(d(f₁, f₂))) − 1|, d = −squared distance (the original).

    The softmax runs over all pairs of the batch. The ratio is taken between logarithms and
    bounded at e¹⁰, since the softmax of large distances underflows to 0.
    """
    fake_log, noise_log = (
        F.log_softmax(-(pair[..., 0, :] - pair[..., 1, :]).square().sum(-1).flatten(), dim=0)
        for pair in (fakes, noise)
    )
    return ((noise_log - fake_log).clamp_max(_MAX_LOG_RATIO).exp().mean() - 1).abs()


def critic_loss(
    critic: Critic, real: torch.Tensor, fakes: torch.Tensor, penalty_weight: float = 10.0
) -> torch.Tensor:
    """E D(s̃, s) − E D(s, s) + 10 · (‖∇D(ŝ, s)‖ − 1)², WGAN-GP conditional on s (AFHN, eq. 2).

    Args:
        real: ``(..., d)``.
        fakes: ``(..., m, d)``.
    """
    condition = real.unsqueeze(-2)
    wasserstein = critic(fakes, condition).mean() - critic(condition, condition).mean()
    return wasserstein + penalty_weight * _gradient_penalty(critic, condition, fakes)


def _gradient_penalty(critic: Critic, condition: torch.Tensor, fakes: torch.Tensor) -> torch.Tensor:
    """Mean (‖∇D(ŝ)‖ − 1)² at random points ŝ between real and fake (Gulrajani et al. 2017)."""
    share = torch.rand(*fakes.shape[:-1], 1, device=fakes.device)
    between = torch.lerp(fakes, condition.expand_as(fakes), share).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between, condition).sum(), between, create_graph=True)
    return (slope.norm(dim=-1) - 1).square().mean()
