"""What the training steps of all methods share."""

from collections.abc import Callable, Sequence

import torch

from fewshot_lib.learning.device import send

Optimizers = dict[str, torch.optim.Optimizer]
Metrics = dict[str, torch.Tensor]
Episode = tuple[torch.Tensor, torch.Tensor | None]  # images, and their classes in the split


def descend(
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[..., tuple[torch.Tensor, Metrics]],
    episodes: Sequence[tuple],
) -> list[Metrics]:
    """One optimizer step; gradients reach this optimizer's parameters and no others.

    They are averaged over the episodes, which pass one at a time, each with batch statistics of
    its own and no more memory than one.

    Args:
        loss_of: gives an episode's loss and its metrics.

    Returns:
        The metrics of each episode, without gradients.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    optimizer.zero_grad(set_to_none=True)
    found = []
    for episode in episodes:
        loss, metrics = loss_of(*episode)
        loss.backward(torch.full_like(loss, 1 / len(episodes)), inputs=parameters)
        found.append({name: value.detach() for name, value in metrics.items()})
    optimizer.step()
    return found


def draw_noise(
    shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None
) -> torch.Tensor:
    """Standard normal noise, on the device from its own generator or from a given CPU one."""
    if generator is None:
        return torch.randn(shape, device=device)
    return send(torch.randn(shape, generator=generator), device)
