"""The networks of the report: a Conv-4 encoder and what is put on top of it.

Attribute names and layer order fix the state-dict keys, so weights of the original report load
here. Every width follows from the image size: the encoder halves the image four times, which
leaves ``64 * (image_size // 16) ** 2`` features (1,600 at 84 px, 256 at 32 px).
"""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from fewshot_lib.networks.cpu_layers import conv_norm_pool_relu

Init = Literal["normal", "kaiming"]

HIDDEN = 64
NOISE_SIZE = 128
ORIGINAL_SIZE = 1600  # features of the original's 84-pixel images, what networks take by default


def feature_size(image_size: int) -> int:
    """Number of features the encoder makes of a square image with this side in pixels.

    Raises:
        ValueError: the image is smaller than 16 pixels and would vanish in the four poolings.
    """
    if image_size < 16:
        raise ValueError(f"image_size={image_size} is too small: four poolings need at least 16 px")
    return HIDDEN * (image_size // 16) ** 2


def count_parameters(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


class ConvBlock(nn.Module):
    """Convolution 3x3, batch norm, ReLU, 2x2 max pooling: ``(n, c, h, w) -> (n, c', h/2, w/2)``."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        conv, norm, relu, pool = self.conv
        channels_last = images.is_contiguous(memory_format=torch.channels_last)
        if self.training and images.device.type == "cpu" and channels_last:
            return conv_norm_pool_relu(images, conv, norm)
        if self.training:
            features = _conv_norm(images, conv, norm)
        elif torch.is_grad_enabled():
            features = norm(conv(images))
        else:
            statistics = norm.running_mean, norm.running_var, norm.eps
            folded = fuse_conv_bn_weights(
                conv.weight, conv.bias, *statistics, norm.weight, norm.bias
            )
            features = F.conv2d(images, *folded, padding=conv.padding)
        # Values and gradients are those of the order above, as a maximum commutes with ReLU;
        # after the pooling a quarter is left to rectify.
        return relu(pool(features))


def _conv_norm(images: torch.Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> torch.Tensor:
    """Both layers in training, without the bias that the normalisation takes away again.

    Adding it costs a pass over the largest array of a step, and its gradient, which is nothing,
    another one. Only the running mean has to be told of it.
    """
    bias, mean = conv.bias.detach(), norm.running_mean - conv.bias.detach()
    features = F.batch_norm(
        F.conv2d(images, conv.weight, padding=conv.padding),
        mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        training=True,
        momentum=norm.momentum,
        eps=norm.eps,
    )
    norm.running_mean.copy_(mean + bias)
    norm.num_batches_tracked.add_(1)
    return features


def conv4(init: Init) -> nn.Sequential:
    """Four convolution blocks with 64 channels, the backbone of Vinyals et al. 2016.

    Weights are drawn from N(0, 1) as in the original report, or by He et al. 2015.
    """
    blocks = [ConvBlock(n, HIDDEN) for n in (3, HIDDEN, HIDDEN, HIDDEN)]
    for layer in (block.conv[0] for block in blocks):
        if init == "normal":
            nn.init.normal_(layer.weight)
        else:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*blocks)


class Encoder(nn.Module):
    """Conv-4: images ``(n, 3, s, s)`` to features ``(n, d)``."""

    def __init__(self, init: Init = "normal"):
        super().__init__()
        self.encoder = conv4(init)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.encoder(images).flatten(1)


class MLP(nn.Module):
    """The report's head: ``transform(x + scale * enhance(x))``, ``(..., d) -> (..., d)``."""

    def __init__(self, size: int, scale: float = 0.1):
        super().__init__()
        self.scale = scale
        self.enhance = nn.Sequential(
            nn.Linear(size, size // 4),
            nn.ReLU(inplace=True),
            nn.Linear(size // 4, size),
            nn.Dropout(0.5),
        )
        self.transform = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(size, size))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.transform(features + self.scale * self.enhance(features))


class PrototypicalNet(nn.Module):
    """Problem 1: encoder, then MLP; images ``(n, 3, s, s)`` to embeddings ``(n, d)``."""

    def __init__(self, image_size: int = 84, init: Init = "normal"):
        super().__init__()
        self.extractor = Encoder(init)
        self.mlp = MLP(feature_size(image_size))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.mlp(self.extractor(images))
