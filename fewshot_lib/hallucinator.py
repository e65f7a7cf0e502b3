"""How Problem 2 and Problem 3 imagine features: two linear layers on a feature and noise."""

import torch
from torch import nn
from torch.nn import functional as F


class Hallucinator(nn.Module):
    """Imagines further features of an image's class from noise.

    The first Linear sees ``[feature, noise]``, which splits into a part of the feature and a part
    of the noise; the former is computed once per image, not once per fake. The last Linear
    commutes with the mean, so a mean of fakes takes it once and not once per fake.

    Args:
        layers: Linear ``d + noise -> h``, what is between, Linear ``h -> d``; subclasses register
            them under the original's name.
        residual: what the layers give is added to the real feature, and is nothing at first: fakes
            start as copies of the feature, not as noise that drowns it.
    """

    layers_name: str

    def __init__(self, layers: nn.Sequential, residual: bool):
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
        """Hidden activations ``(..., n_aug, h)`` of every fake."""
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
