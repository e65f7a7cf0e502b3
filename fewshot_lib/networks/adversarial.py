"""Problem 3's networks: extractor, generator, discriminator, and AFHN's generator and critic."""

import torch
from torch import nn

from fewshot_lib.networks.encoder import MLP, NOISE_SIZE, ORIGINAL_SIZE, Init, conv4, feature_size
from fewshot_lib.networks.hallucination import Hallucinator

_AFHN_HIDDEN = 1024


class Extractor(nn.Module):
    """Problem 3: the layers of ``PrototypicalNet`` under the names of the original's Extractor."""

    def __init__(self, image_size: int = 84, init: Init = "normal"):
        super().__init__()
        self.encoder = conv4(init)
        self.mlp = MLP(feature_size(image_size))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.mlp(self.encoder(images).flatten(1))


class Generator(Hallucinator):
    """Problem 3: features ``(..., d)`` and noise ``(..., m, 128)`` to fakes ``(..., m, d)``."""

    layers_name = "generate"

    def __init__(self, size: int = ORIGINAL_SIZE):
        layers = nn.Sequential(
            nn.Linear(size + NOISE_SIZE, size // 4),
            nn.ReLU(inplace=True),
            nn.Linear(size // 4, size),
        )
        super().__init__(layers)


class Discriminator(nn.Module):
    """Problem 3: probability ``(...)`` that a feature ``(..., d)`` is real."""

    def __init__(self, size: int = ORIGINAL_SIZE):
        super().__init__()
        self.judge = nn.Sequential(
            nn.Linear(size, size // 4),
            nn.LeakyReLU(0.2),
            nn.Linear(size // 4, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.judge(features).squeeze(-1)


class ConditionalGenerator(Hallucinator):
    """AFHN: features ``(..., d)`` and noise ``(..., m, 512)`` to hallucinated ``(..., m, d)``."""

    layers_name = "generate"
    noise_size = 512

    def __init__(self, size: int):
        layers = nn.Sequential(
            nn.Linear(size + self.noise_size, _AFHN_HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Linear(_AFHN_HIDDEN, size),
        )
        super().__init__(layers)


class Critic(nn.Module):
    """AFHN's conditional critic (Li et al. 2020): a score ``(...)``, unbounded, large for real.

    It sees a feature ``(..., d)`` beside the real feature ``(..., d)`` it should resemble.
    """

    def __init__(self, size: int = ORIGINAL_SIZE):
        super().__init__()
        self.judge = nn.Sequential(
            nn.Linear(2 * size, _AFHN_HIDDEN), nn.LeakyReLU(0.2), nn.Linear(_AFHN_HIDDEN, 1)
        )

    def forward(self, features: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return self.judge(torch.cat([features, condition.expand_as(features)], dim=-1)).squeeze(-1)
