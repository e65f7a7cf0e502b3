"""Networks: structure, sizes, names and initial values are those of the original report."""

import math

import pytest
import torch
from torch import nn

from fewshot_lib.networks.encoder import (
    MLP,
    ConvBlock,
    Encoder,
    PrototypicalNet,
    count_parameters,
    feature_size,
)

PRINTOUT = [
    "(extractor)",
    "(encoder)",
    "Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    "Conv2d(64, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    "BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, ",  # newer PyTorch names more after it
    "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
    "(mlp): MLP(",
    "(enhance)",
    "(transform)",
    "Dropout(p=0.5, inplace=False)",
    "Linear(in_features=1600, out_features=400, bias=True)",
    "Linear(in_features=400, out_features=1600, bias=True)",
    "Linear(in_features=1600, out_features=1600, bias=True)",
]


def test_printout_holds_the_original_s_lines():
    text = str(PrototypicalNet())
    assert [line for line in PRINTOUT if line not in text] == []


def test_parameter_counts_at_84_pixels():
    net = PrototypicalNet(84)
    assert count_parameters(net.extractor) == 113_088
    assert count_parameters(net.mlp) == 3_843_600
    assert count_parameters(net) == 3_956_688


def test_frozen_parameters_are_not_counted():
    net = Encoder().requires_grad_(False)
    assert count_parameters(net) == 0


def plain_block(block: ConvBlock, images: torch.Tensor) -> torch.Tensor:
    """The layers in the order in which they are printed."""
    return block.conv(images)


def test_a_block_is_its_layers_one_after_another_in_training():
    images, outcomes = torch.randn(4, 3, 16, 16, dtype=torch.float64), []
    for forward in (plain_block, lambda block, x: block(x)):
        torch.manual_seed(0)
        block = ConvBlock(3, 8).double()
        result = forward(block, images)
        result.square().sum().backward()
        conv, norm = block.conv[:2]  # the bias of the convolution has no part in anything
        gradients = [p.grad for p in (conv.weight, norm.weight, norm.bias)]
        outcomes.append([result, *gradients, *block.buffers()])
    assert all(torch.allclose(a, b) for a, b in zip(*outcomes, strict=True))


def test_a_block_folds_its_normalisation_in_evaluation():
    torch.manual_seed(0)
    block, images = ConvBlock(3, 8), torch.randn(4, 3, 16, 16)
    for values in (block.conv[1].weight, block.conv[1].bias):
        torch.nn.init.normal_(values)
    for _ in range(3):
        block(images)  # gives it statistics
    block.eval()
    with torch.inference_mode():
        assert torch.allclose(block(images), plain_block(block, images), atol=1e-5)
        assert not torch.equal(block(images), block.train()(images))


def test_state_dict_keys():
    conv = ("0.weight", "0.bias", "1.weight", "1.bias")
    statistics = ("1.running_mean", "1.running_var", "1.num_batches_tracked")
    encoder = {
        f"extractor.encoder.{block}.conv.{key}" for block in range(4) for key in conv + statistics
    }
    mlp = {
        f"mlp.{layer}.{kind}"
        for layer in ("enhance.0", "enhance.2", "transform.1")
        for kind in ("weight", "bias")
    }
    assert set(PrototypicalNet().state_dict()) == encoder | mlp


@pytest.mark.parametrize(("pixels", "width"), [(84, 1600), (32, 256), (28, 64), (16, 64)])
def test_widths_follow_the_image_size(pixels, width):
    net = PrototypicalNet(pixels).eval()
    with torch.no_grad():
        images = torch.rand(2, 3, pixels, pixels)
        assert net.extractor(images).shape == (2, width)
        assert net(images).shape == (2, width)
    assert feature_size(pixels) == width
    assert net.mlp.enhance[0].out_features == width // 4


def test_images_that_would_vanish_are_refused():
    with pytest.raises(ValueError, match="image_size=15"):
        PrototypicalNet(15)


def test_block_order_is_convolution_norm_relu_pooling():
    kinds = [type(layer) for layer in ConvBlock(3, 64).conv]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d]


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def test_normal_initialisation_is_standard_normal():
    torch.manual_seed(0)
    for conv in convolutions(PrototypicalNet(32, "normal"))[1:]:  # 36,864 weights each
        assert conv.weight.mean().item() == pytest.approx(0, abs=0.03)
        assert conv.weight.std().item() == pytest.approx(1, abs=0.03)
        assert not conv.bias.any()


def test_kaiming_initialisation_keeps_the_fan_out_variance():
    torch.manual_seed(0)
    for conv in convolutions(PrototypicalNet(32, "kaiming")):
        expected = math.sqrt(2 / (64 * 9))
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.07)
        assert not conv.bias.any()


@pytest.mark.parametrize("init", ["normal", "kaiming"])
def test_linear_layers_keep_their_default(init):
    torch.manual_seed(0)
    layer = PrototypicalNet(84, init).mlp.transform[1]
    bound = 1 / math.sqrt(1600)
    assert layer.weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert layer.bias.any()


def test_mlp_adds_a_tenth_of_what_it_enhances():
    torch.manual_seed(0)
    mlp = MLP(16).eval()
    features = torch.randn(3, 16)
    first, _, second, _ = mlp.enhance
    enhanced = second(first(features).clamp_min(0))
    expected = mlp.transform[1]((features + 0.1 * enhanced).clamp_min(0))
    torch.testing.assert_close(mlp(features), expected)


def test_mlp_leaves_its_input_alone_and_takes_leading_dimensions():
    torch.manual_seed(0)
    mlp = MLP(16).eval()
    features = torch.randn(2, 3, 16)
    before = features.clone()
    batched = mlp(features)
    assert torch.equal(features, before)
    torch.testing.assert_close(batched[1, 2], mlp(features[1, 2]))


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    mlp = MLP(64)
    features = torch.randn(1, 64)
    assert not torch.equal(mlp.train()(features), mlp(features))
    assert torch.equal(mlp.eval()(features), mlp(features))


def test_every_parameter_gets_a_gradient_but_a_bias_that_is_normalised_away():
    torch.manual_seed(0)
    net = PrototypicalNet(32)
    net(torch.rand(4, 3, 32, 32)).square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None]
    assert without == [f"extractor.encoder.{block}.conv.0.bias" for block in range(4)]
