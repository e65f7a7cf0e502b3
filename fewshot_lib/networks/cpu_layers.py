"""Convolution, batch norm, ReLU and 2x2 max pooling in training as one step of little memory.

The plain layers write the convolution's output and the normalised features in full, keep both for
the way back, and pool them to a quarter. A normalisation with a positive scale does not change
which of four values is the largest: the raw features can be pooled first and a quarter of them
normalised. The gradient reaches the maxima alone, so both sums that batch norm's gradient needs
run over that quarter too.

So nothing but the statistics needs the whole output at once. Where it is large it is made a few
images at a time, which stay in the cache, and where the convolution is cheap what is too much to
keep is made a second time on the way back.

Images may be bfloat16; then so are all maps, and weights, statistics and their gradients float32.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

_POOL = ([2, 2], [2, 2], [0, 0], [1, 1], False)  # kernel, stride, padding, dilation, ceil_mode
_CHEAP = 16  # input channels up to which a convolution costs little next to writing its output
_IN_CACHE = 4 * 2**20  # bytes of output made at a time of a cheap convolution
_KEPT = 256 * 2**20  # bytes of a cheap convolution's output that are kept for the way back

# Whole numbers of the same size: numbers of 16 bits are scattered in a third of bfloat16's time.
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def _by_channel(values: torch.Tensor) -> torch.Tensor:
    return values.view(1, -1, 1, 1)


def _rows(x: torch.Tensor) -> torch.Tensor:
    """``(n, c, h, w)`` as ``(n, h * w, c)``; the same memory if its channels lie last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _part_sizes(images: torch.Tensor, weight: torch.Tensor) -> tuple[int, int]:
    """How many images to convolve at a time, and of how many such parts to keep the output."""
    n, channels, h, w = images.shape
    if channels > _CHEAP:
        return n, 1
    each = len(weight) * h * w * images.element_size()
    size = max(1, _IN_CACHE // each)
    return size, _KEPT // (size * each)


def _convolve(images: torch.Tensor, weight: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
    x = F.conv2d(images, weight, padding=padding)
    return x.contiguous(memory_format=torch.channels_last)


def _pool_into(target: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Write the largest of each four of ``x``; returns where they were."""
    places = torch.empty_like(target, dtype=torch.int64)
    torch.ops.aten.max_pool2d_with_indices.out(x, *_POOL, out=target, indices=places)
    return places


def _statistics(parts: list[tuple[int, torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, ...]:
    """Mean and variance of the whole from number, mean and variance of its parts."""
    numbers, means, variances = zip(*parts, strict=True)
    share = means[0].new_tensor(numbers) / sum(numbers)
    mean = share @ torch.stack(means)
    between = (torch.stack(means) - mean).square()
    return mean, share @ (torch.stack(variances) + between)


class _ConvNormPoolRelu(torch.autograd.Function):
    """``relu(max_pool(scale * (x - mean) / std + shift))`` of ``x = conv(images, weight)``.

    With ``k = scale / std``, ``g`` the gradient at the maxima and N positions in a channel, the
    gradient of x is ``k (g at the maxima - sum(g) / N - x_hat sum(g x_hat) / N)``
    (Ioffe and Szegedy 2015, section 3).
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: torch.Tensor,
        weight: torch.Tensor,
        scale: torch.Tensor,
        shift: torch.Tensor,
        eps: float,
        padding: tuple[int, int],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images ``(n, b, h, w)`` to features ``(n, c, h // 2, w // 2)``; no scale is negative.

        Returns:
            Features, and mean and variance ``(c,)`` of x, which let no gradient through.
        """
        n, _, h, w = images.shape
        ctx.kind, weight = weight.dtype, weight.to(images.dtype)
        size, n_kept = _part_sizes(images, weight)
        shape, layout = (n, len(weight), h // 2, w // 2), torch.channels_last
        pooled = torch.empty(shape, dtype=images.dtype, memory_format=layout)
        unused = torch.zeros_like(shift), torch.zeros_like(shift)
        parts, kept = [], []
        for part, maxima in zip(images.split(size), pooled.split(size), strict=True):
            x = _convolve(part, weight, padding)
            parts.append((len(x), *torch.ops.aten.batch_norm_update_stats(x, *unused, 0.0)))
            places = _pool_into(maxima, x)
            kept += [x, places] if len(parts) <= n_kept else []
        mean, var = _statistics(parts)
        inverse = (var + eps).rsqrt()
        slope = scale * inverse
        start, slope = (_by_channel(v).to(pooled.dtype) for v in (shift - mean * slope, slope))
        out = torch.addcmul(start, pooled, slope).relu_()
        ctx.save_for_backward(images, weight, pooled, out, mean, inverse, scale, *kept)
        ctx.size, ctx.padding = size, padding
        ctx.mark_non_differentiable(mean, var)
        return out, mean, var

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor, *_: None) -> tuple[torch.Tensor | None, ...]:
        """Overwrites what was kept of x: autograd sees it and refuses a second way back."""
        images, weight, pooled, out, mean, inverse, scale, *kept = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        g = torch.ops.aten.threshold_backward(grad, out, 0)  # the gradient before the ReLU
        dscale, dshift = _parameter_gradients(g, pooled, mean, inverse)
        parts = [values.split(ctx.size) for values in (images, g, pooled)]
        k, n = scale * inverse, images.numel() // images.shape[1]
        slope = -k * inverse * dscale / n
        start = -k * dshift / n - slope * mean
        start, slope, k = (_by_channel(v).to(images.dtype) for v in (start, slope, k))
        dimages, dweight = [], torch.zeros_like(weight, dtype=ctx.kind)
        for i, (part, g, maxima) in enumerate(zip(*parts, strict=True)):
            if 2 * i < len(kept):
                x, places = kept[2 * i : 2 * i + 2]
            else:
                x = _convolve(part, weight, ctx.padding)
                places = _pool_into(torch.empty_like(maxima), x)
            dx = torch.addcmul(start, x, slope, out=x)
            g = torch.addcmul(torch.addcmul(start, maxima, slope), g, k)
            bits = _BITS[dx.element_size()]
            _rows(dx).view(bits).scatter_(1, _rows(places), _rows(g).view(bits))
            dpart, dw = _convolution_gradients(dx, part, weight, ctx)
            dimages.append(dpart)
            dweight += dw
        dimages = dimages[0] if len(parts[0]) == 1 or dimages[0] is None else torch.cat(dimages)
        return dimages, dweight, dscale, dshift, None, None


def _parameter_gradients(
    g: torch.Tensor, pooled: torch.Tensor, mean: torch.Tensor, inverse: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """``sum(g x_hat)`` and ``sum(g)``, both ``(c,)``: the gradients of scale and shift."""
    return torch.ops.aten.native_batch_norm_backward(
        grad_out=g,
        input=pooled,
        weight=None,
        running_mean=None,
        running_var=None,
        save_mean=mean,
        save_invstd=inverse,
        train=True,
        eps=0.0,
        output_mask=[False, True, True],
    )[1:]


def _convolution_gradients(
    dx: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, ctx: Any
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Of the images, where they are asked for, and of the weight."""
    of_images, of_weight, _ = torch.ops.aten.convolution_backward(
        grad_output=dx,
        input=images,
        weight=weight,
        bias_sizes=None,
        stride=[1, 1],
        padding=list(ctx.padding),
        dilation=[1, 1],
        transposed=False,
        output_padding=[0, 0],
        groups=1,
        output_mask=[ctx.needs_input_grad[0], True, False],
    )
    return of_images, of_weight


def conv_norm_pool_relu(
    images: torch.Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d
) -> torch.Tensor:
    """What the layers give in training, with their gradients and running statistics.

    The convolution's bias is left out, as the normalisation takes it away again: it has no part
    in the gradients, and the running mean is told of it. A channel whose scale is negative is
    turned over by its weights, which gives the same features and keeps scales positive.
    """
    sign = torch.where(norm.weight.detach() < 0, -1.0, 1.0).to(norm.weight)
    if torch.is_autocast_enabled("cpu"):
        images = images.to(torch.get_autocast_dtype("cpu"))
    with torch.autocast("cpu", enabled=False):
        out, mean, var = _ConvNormPoolRelu.apply(
            images.contiguous(memory_format=torch.channels_last),
            conv.weight * _by_channel(sign).transpose(0, 1),
            norm.weight * sign,
            norm.bias,
            norm.eps,
            conv.padding,
        )
    offset = conv.bias.detach() if conv.bias is not None else 0.0
    n = images.numel() // images.shape[1]
    norm.running_mean.lerp_(mean * sign + offset, norm.momentum)
    norm.running_var.lerp_(var * (n / (n - 1)), norm.momentum)
    norm.num_batches_tracked.add_(1)
    return out


_RANDOM_BITS = 16


class Dropout(nn.Dropout):
    """``nn.Dropout`` that decides by 16 random bits an element when it trains on a CPU.

    Four elements share one draw of 64 bits, which takes a sixth of the time of one Bernoulli draw
    each. The rate is a multiple of 2^-16, off by less than 0.00001.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Each element of ``x`` is 0 or ``x / (1 - p)``; in evaluation ``x`` is as it is."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        keep = _random_bits(x.shape) >= round(self.p * 2**_RANDOM_BITS) - 2 ** (_RANDOM_BITS - 1)
        return x * keep.to(x.dtype).div_(1 - self.p)


def _random_bits(shape: torch.Size) -> torch.Tensor:
    """int16 numbers, each as likely as any other, from the global CPU generator."""
    n = shape.numel()
    words = torch.empty(-(-n * _RANDOM_BITS // 64), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[:n].view(shape)
