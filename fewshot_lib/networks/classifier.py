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
    same for all classes and steps: it is inverted once and no step goes too far (Boehning 1992).
    Nesterov's momentum shortens the way. The weights are sums of features: where there are fewer
    features than dimensions the shares in these sums take the same steps with ``XX'``.

    Args:
        features: of length 1 at most, ``(..., n_way, n, d)``, n of each class.
    """
    n_way, n = features.shape[-3:-1]
    x = features.flatten(-3, -2)
    few = x.shape[-2] <= x.shape[-1]
    gram = x @ x.mT if few else x.mT @ x
    truth = torch.eye(n_way, device=x.device).repeat_interleave(n, dim=1)
    bound = gram / (2 * n_way * n) + decay * torch.eye(gram.shape[-1], device=x.device)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(bound))
    weights = ahead = x.new_zeros(*x.shape[:-2], n_way, gram.shape[-1])
    for step in range(n_steps):
        logits = ahead @ (gram if few else x.mT)
        slope = (logits.softmax(-2) - truth) / (n_way * n)
        slope = (slope if few else slope @ x) + decay * ahead
        last, weights = weights, ahead - slope @ inverse
        ahead = weights + step / (step + 3) * (weights - last)
    return F.normalize(weights @ x if few else weights, dim=-1)
