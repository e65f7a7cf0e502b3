"""The fused layers give what the plain ones give."""

import copy

import pytest
import torch
from torch import nn

from fewshot_lib.networks import cpu_layers
from fewshot_lib.networks.cpu_layers import conv_norm_pool_relu

# All at once and kept; in parts of one image, none kept; in parts of two or three, one kept.
WAYS = [{}, {"_CHEAP": 0}, {"_IN_CACHE": 1, "_KEPT": 0}, {"_IN_CACHE": 8000, "_KEPT": 8000}]


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


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_features_gradients_and_running_statistics_are_those_of_the_plain_layers(
    size, layout, way, monkeypatch
):
    for name, value in way.items():
        monkeypatch.setattr(cpu_layers, name, value)
    plain = layers()
    ours_layers = copy.deepcopy(plain)
    images = torch.randn(5, 3, size, size).double().to(memory_format=layout)
    ours, theirs = (images.clone().requires_grad_() for _ in range(2))
    for _ in range(3):
        got, expected = conv_norm_pool_relu(ours, *ours_layers[:2]), plain(theirs)
        torch.testing.assert_close(got, expected)
        weights = torch.randn_like(expected)
        (got * weights).sum().backward()
        (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    for (name, value), other in zip(
        ours_layers.named_parameters(), plain.parameters(), strict=True
    ):
        if name == "0.bias":  # cancels: rounding there, nothing here
            assert value.grad is None and other.grad.abs().max() < 1e-9
        else:
            torch.testing.assert_close(value.grad, other.grad)
    torch.testing.assert_close(ours_layers.state_dict(), plain.state_dict())


def results(block, network: nn.Sequential, images: torch.Tensor) -> list[torch.Tensor]:
    """Features, gradients of images and parameters, and running statistics, in float32."""
    images = images.clone().requires_grad_()
    features = block(images)
    (features.float() * torch.linspace(-1, 1, features.numel()).view_as(features)).sum().backward()
    known = [p.grad for name, p in network.named_parameters() if name != "0.bias"]
    known += [images.grad, *network[1].buffers()]
    assert all(x.dtype in (torch.float32, torch.int64) for x in known)
    return [x.float() for x in (features.detach(), *known)]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_bfloat16_is_no_farther_from_float32_than_with_the_plain_layers(way, monkeypatch):
    for name, value in way.items():
        monkeypatch.setattr(cpu_layers, name, value)
    exact, plain, ours = (layers(16).float() for _ in range(3))
    images = torch.randn(200, 3, 8, 8)
    expected = results(exact, exact, images)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = results(plain, plain, images)
        found = results(lambda x: conv_norm_pool_relu(x, *ours[:2]), ours, images)
    assert not torch.equal(found[0], expected[0])
    for got, other, wanted in zip(found, theirs, expected, strict=True):
        assert (got - wanted).norm() <= 1.2 * (other - wanted).norm() + 1e-3 * wanted.norm()


def test_a_second_way_back_is_refused_and_not_wrong():
    plain = layers()
    out = conv_norm_pool_relu(torch.randn(2, 3, 8, 8).double(), plain[0], plain[1])
    out.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_cheap_convolution_s_output_is_kept_no_further_than_allowed(monkeypatch):
    monkeypatch.setattr(cpu_layers, "_IN_CACHE", 2**14)
    conv, norm, *_ = layers(16).float()
    images = torch.randn(32, 3, 16, 16)
    output = 4 * 32 * 16 * 16 * 16  # bytes

    def kept(limit: int) -> int:
        monkeypatch.setattr(cpu_layers, "_KEPT", limit)
        saved: list[torch.Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda x: x):
            conv_norm_pool_relu(images, conv, norm)
        return sum(x.nbytes for x in saved if x is not None)

    few, some, all_ = kept(0), kept(output // 2), kept(output)
    assert few < images.nbytes + output  # a quarter raw, a quarter normalised
    assert some - few == (output + output // 2) // 2  # and where in it the maxima lie
    assert all_ - few == output + output // 2
