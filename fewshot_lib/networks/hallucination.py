"""Problem 2's networks: features and noise become hallucinated features."""

import torch
from torch import nn
from torch.nn import functional as F

from fewshot_lib.networks.cpu_layers import Dropout
from fewshot_lib.networks.encoder import MLP, NOISE_SIZE, ORIGINAL_SIZE, Encoder, Init, feature_size


class Hallucinator(nn.Module):
    """Imagines further features of an image's class from noise.

    The first Linear sees ``[feature, noise]``, which splits into a part of the feature and a part
    of the noise; the former is computed once per image, however many features are hallucinated.
    The mean over these commutes with the last Linear, which is applied to the mean alone.

    Args:
        layers: Linear ``d + noise -> h``, what is between, Linear ``h -> d``; subclasses register
            them under the original's name.
        residual: what the layers give is added to the real feature and is 0 at first, so that
            hallucinated features start as its copies, not as noise that drowns it.
    """

    layers_name: str

    def __init__(self, layers: nn.Sequential, residual: bool = False):
        super().__init__()
        self.residual = residual
        self.add_module(self.layers_name, layers)
        if residual:
            nn.init.zeros_(layers[-1].weight)
            nn.init.zeros_(layers[-1].bias)

    @property
    def layers(self) -> nn.Sequential:
        return self.get_submodule(self.layers_name)

    def hidden(self, features: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Hidden activations ``(..., n_aug, h)`` of every hallucinated feature."""
        first, *between, _ = self.layers
        size = features.shape[-1]
        from_features = F.linear(features, first.weight[:, :size], first.bias)
        activations = F.linear(noise, first.weight[:, size:]).add_(from_features.unsqueeze(-2))
        for layer in between:
            activations = layer(activations)
        return activations

    def forward(self, features: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Hallucinated features ``(..., n_aug, d)``.

        Args:
            features: ``(..., d)``.
            noise: ``(..., n_aug, noise_size)``.
        """
        fakes = self.layers[-1](self.hidden(features, noise))
        return fakes + features.unsqueeze(-2) if self.residual else fakes

    def mean(self, features: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The mean ``(..., d)`` of ``forward`` over ``n_aug``, exactly."""
        mean = self.layers[-1](self.hidden(features, noise).mean(-2))
        return mean + features if self.residual else mean

    def mix(self, features: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Mean ``(..., d)`` of each real feature and its ``n_aug`` hallucinated ones."""
        n_aug = noise.shape[-2]
        return torch.lerp(features, self.mean(features, noise), n_aug / (n_aug + 1))


class HallucinationNet(Hallucinator):
    """Problem 2: features ``(..., d)`` and noise ``(..., m, 128)`` to ``(..., m, d)``."""

    layers_name = "encoder"

    def __init__(self, size: int = ORIGINAL_SIZE, residual: bool = False):
        layers = nn.Sequential(
            nn.Linear(size + NOISE_SIZE, size // 4),
            Dropout(0.2),
            nn.ReLU(inplace=True),
            nn.Linear(size // 4, size),
        )
        super().__init__(layers, residual)


class HallucinatingPrototypicalNet(nn.Module):
    """Problem 2: Problem 1's network with a hallucinator between encoder and MLP."""

    def __init__(self, image_size: int = 84, init: Init = "normal", residual: bool = False):
        super().__init__()
        size = feature_size(image_size)
        self.extractor = Encoder(init)
        # Drawn before the hallucinator, so that a seed starts this network and Problem 1's
        # from the same weights; registered after it, as in the original.
        mlp = MLP(size)
        self.hallucinate = HallucinationNet(size, residual)
        self.mlp = mlp

    def forward(
        self, images: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Embeddings of the mixed ``(n, d)``, real ``(n, d)`` and hallucinated ``(n, n_aug, d)``.

        Args:
            images: ``(n, 3, s, s)``.
            noise: ``(n, n_aug, 128)``, standard normal.
        """
        real = self.extractor(images)
        fakes = self.hallucinate(real, noise)
        return self.mlp(self.hallucinate.mix(real, noise)), self.mlp(real), self.mlp(fakes)
