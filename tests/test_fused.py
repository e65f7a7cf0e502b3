"""The fused layers give what the plain ones give."""

import copy

import pytest
import torch
from torch import nn

from fewshot_lib.fused import conv_norm_pool_relu


def layers(channels: int = 5) -> nn.Sequential:
    """Convolution to pooling in float64, with scales of both signs."""
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)
    ).double()
    nn.init.normal_(plain[1].weight)
    nn.init.normal_(plain[1].bias)
    assert plain[1].weight.min() < 0 < plain[1].weight.max()
    return plain


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_features_gradients_and_running_statistics_are_those_of_the_plain_layers(size, layout):
    plain = layers()
    fused = copy.deepcopy(plain)
    images = torch.randn(4, 3, size, size).double().to(memory_format=layout)
    ours, theirs = (images.clone().requires_grad_() for _ in range(2))
    for _ in range(3):
        got, expected = conv_norm_pool_relu(ours, fused[0], fused[1]), plain(theirs)
        torch.testing.assert_close(got, expected)
        weights = torch.randn_like(expected)
        (got * weights).sum().backward()
        (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    for (name, value), other in zip(fused.named_parameters(), plain.parameters(), strict=True):
        if name == "0.bias":  # cancels: rounding there, nothing here
            assert value.grad is None and other.grad.abs().max() < 1e-9
        else:
            torch.testing.assert_close(value.grad, other.grad)
    torch.testing.assert_close(fused.state_dict(), plain.state_dict())


def test_a_second_way_back_is_refused_and_not_wrong():
    plain = layers()
    out = conv_norm_pool_relu(torch.randn(2, 3, 8, 8).double(), plain[0], plain[1])
    out.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
