"""Batch norm, ReLU and 2x2 max pooling in training as one step that keeps less in memory.

The plain layers write the normalised features in full, keep them for the way back, and pool them
to a quarter. A normalisation with a positive scale does not change which of four values is the
largest: the raw features can be pooled first and a quarter of them normalised. The gradient
reaches the maxima alone, so both sums that batch norm's gradient needs run over that quarter too.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

POOL = ([2, 2], [2, 2], [0, 0], [1, 1], False)  # kernel, stride, padding, dilation, ceil_mode


def by_channel(values: torch.Tensor) -> torch.Tensor:
    return values.view(1, -1, 1, 1)


class NormPoolRelu(torch.autograd.Function):
    """``relu(max_pool(scale * (x - mean) / std + shift))``, statistics of the batch.

    With ``k = scale / std``, ``g`` the gradient at the maxima and N positions in a channel, the
    gradient of x is ``k (g at the maxima - sum(g) / N - x_hat sum(g x_hat) / N)``
    (Ioffe and Szegedy 2015, section 3).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        scale: torch.Tensor,
        shift: torch.Tensor,
        running_mean: torch.Tensor,
        running_var: torch.Tensor,
        momentum: float,
        eps: float,
    ) -> torch.Tensor:
        """Features ``(n, c, h, w)`` to ``(n, c, h // 2, w // 2)``; no scale may be negative.

        The running statistics are updated in place. The way back overwrites ``x``, so nothing else
        may need it: that saves the largest array of a training step.
        """
        mean, var = torch.ops.aten.batch_norm_update_stats(x, running_mean, running_var, momentum)
        inverse = (var + eps).rsqrt()
        pooled, places = torch.ops.aten.max_pool2d_with_indices(x, *POOL)
        slope = scale * inverse
        start = by_channel(shift - mean * slope)
        out = torch.addcmul(start, pooled, by_channel(slope)).relu_()
        ctx.save_for_backward(x, pooled, places, out, mean, inverse, scale)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, pooled, places, out, mean, inverse, scale = ctx.saved_tensors
        grad = grad * (out > 0)
        dshift = grad.sum((0, 2, 3))
        dscale = inverse * ((grad * pooled).sum((0, 2, 3)) - mean * dshift)
        k, n = scale * inverse, x.numel() // x.shape[1]
        slope = -k * inverse * dscale / n
        start = -k * dshift / n - slope * mean
        # Autograd refuses a second way back, as it sees that x was written to.
        dx = torch.addcmul(by_channel(start), x, by_channel(slope), out=x)
        rows(dx).scatter_add_(1, rows(places), rows(grad * by_channel(k)))
        return dx, dscale, dshift, None, None, None, None


def rows(x: torch.Tensor) -> torch.Tensor:
    """``(n, c, h, w)`` as ``(n, h * w, c)``; the same memory if its channels lie last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def conv_norm_pool_relu(
    images: torch.Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d
) -> torch.Tensor:
    """What the layers give in training, with their gradients and running statistics.

    The convolution's bias is left out, as the normalisation takes it away again: it has no part
    in the gradients, and the running mean is told of it. A channel whose scale is negative is
    turned over by its weights, which gives the same features and keeps scales positive.
    """
    sign = torch.where(norm.weight.detach() < 0, -1.0, 1.0).to(norm.weight)
    images = images.contiguous(memory_format=torch.channels_last)
    x = F.conv2d(images, conv.weight * sign.view(-1, 1, 1, 1), padding=conv.padding)
    offset = conv.bias.detach() if conv.bias is not None else torch.zeros_like(norm.running_mean)
    mean = (norm.running_mean - offset) * sign
    norm.num_batches_tracked.add_(1)
    scale = norm.weight * sign
    out = NormPoolRelu.apply(
        x.contiguous(memory_format=torch.channels_last),
        scale,
        norm.bias,
        mean,
        norm.running_var,
        norm.momentum,
        norm.eps,
    )
    norm.running_mean.copy_(mean * sign + offset)
    return out
