"""A linear classifier for each episode, all of them trained at once."""

import torch
from torch.nn import functional as F

_STEPS = 20  # no weight is then further than 0.001 from where it ends
_DECAY = 1e-2


def linear_classifier(
    features: torch.Tensor, decay: float = _DECAY, n_steps: int = _STEPS
) -> torch.Tensor:
    """Directions ``(..., n_way, d)`` of the weights of a softmax classifier without a bias.

    The mean cross entropy plus ``decay / 2`` times the weights' square is minimised by Newton's
    steps with a bound in place of the second derivative, ``(X'X / n) / 2 + decay``, which is the
    same for all classes and steps: it is factorised once and no step goes too far (Boehning 1992).
    Nesterov's momentum shortens the way.

    Args:
        features: of length 1 at most, ``(..., n_way, n, d)``, n of each class.
    """
    n_way, n = features.shape[-3:-1]
    x = features.flatten(-3, -2)
    basis = torch.linalg.qr(x.mT).Q if x.shape[-1] > x.shape[-2] else None
    x = x if basis is None else x @ basis  # weights are sums of features: no others are needed
    truth = torch.eye(n_way, device=x.device).repeat_interleave(n, dim=0)
    bound = x.mT @ x / (2 * len(truth)) + decay * torch.eye(x.shape[-1], device=x.device)
    factor = torch.linalg.cholesky(bound)
    weights = ahead = x.new_zeros(*x.shape[:-2], x.shape[-1], n_way)
    for step in range(n_steps):
        slope = x.mT @ ((x @ ahead).softmax(-1) - truth) / len(truth) + decay * ahead
        last, weights = weights, ahead - torch.cholesky_solve(slope, factor)
        ahead = weights + step / (step + 3) * (weights - last)
    return F.normalize((weights if basis is None else basis @ weights).mT, dim=-1)
