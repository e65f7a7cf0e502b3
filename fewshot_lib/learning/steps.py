"""What the training steps of all methods share."""

from collections.abc import Callable, Sequence

import torch

from fewshot_lib.learning.device import Plan, send

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
    for i, episode in enumerate(episodes):
        loss, metrics = loss_of(*episode)
        loss.backward(torch.full_like(loss, 1 / len(episodes)), inputs=parameters)
        found.append({name: snapshot(value) for name, value in metrics.items()})
        if i == 0 and len(episodes) > 1:
            for parameter in parameters:
                parameter.grad = None if parameter.grad is None else snapshot(parameter.grad)
    optimizer.step()
    return found


def snapshot(value: torch.Tensor) -> torch.Tensor:
    """A copy without gradient: a CUDA graph overwrites its results when it runs again."""
    return value.detach().clone()


def compile_for(plan: Plan, method: Callable) -> Callable:
    """The method compiled; the next call of any compiled method may overwrite its results."""
    fast = torch.compile(method, dynamic=False, mode=plan.compile_mode)

    def run(*arguments: torch.Tensor) -> object:
        torch.compiler.cudagraph_mark_step_begin()
        return fast(*arguments)

    return run


def draw_noise(
    shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None
) -> torch.Tensor:
    """Standard normal noise, on the device from its own generator or from a given CPU one."""
    if generator is None:
        return torch.randn(shape, device=device)
    return send(torch.randn(shape, generator=generator), device)
