"""Episodes: which images are support and which are query.

A batch of episodes is an index tensor ``(n_episodes, n_way, n_shot + n_query)`` into an
``ImageBank``; in each row the support images come first.
"""

import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.errors import InputError

# Random keys drawn at once, 16 MB: large enough to be fast, small enough for any machine.
_BLOCK = 4_000_000


def sample_episodes(
    bank: ImageBank,
    n_episodes: int,
    n_way: int,
    n_shot: int,
    n_query: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw episodes, classes and images without replacement, all of a block at once.

    Returns:
        int64 ``(n_episodes, n_way, n_shot + n_query)``, indices into the bank.

    Raises:
        InputError: fewer classes than ``n_way``, or a class with too few images.
    """
    _check_enough(bank, n_way, n_shot, n_query)
    sizes = bank.class_sizes
    starts = sizes.cumsum(0) - sizes
    per_episode = n_way * int(sizes.max())
    blocks = torch.arange(n_episodes).split(max(1, _BLOCK // per_episode))
    drawn = []
    for block in blocks:
        classes = _draw(torch.full((len(block),), len(sizes)), n_way, generator)
        images = _draw(sizes[classes], n_shot + n_query, generator)
        drawn.append(images + starts[classes].unsqueeze(-1))
    return torch.cat(drawn)


def _draw(sizes: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """For every size, ``count`` different numbers below it: ``(...) -> (..., count)``.

    The positions of the largest of as many random keys as there are numbers to choose from.
    """
    largest = int(sizes.max())
    keys = torch.rand(*sizes.shape, largest, generator=generator)
    if int(sizes.min()) < largest:
        keys.masked_fill_(torch.arange(largest) >= sizes.unsqueeze(-1), -1)
    return keys.topk(count).indices


def _check_enough(bank: ImageBank, n_way: int, n_shot: int, n_query: int) -> None:
    """Raise an InputError that names the sizes if the bank cannot fill such an episode."""
    sizes = bank.class_sizes
    if n_way > len(sizes):
        raise InputError(
            f"{n_way}-way episodes need {n_way} classes, there are {len(sizes)}: lower the ways "
            "or add classes"
        )
    smallest = int(sizes.argmin())
    needed, there = n_shot + n_query, int(sizes[smallest])
    if there < needed:
        raise InputError(
            f"class '{bank.class_names[smallest]}' has {there} images, an episode needs "
            f"{needed} of each class ({n_shot} support + {n_query} query): add images or lower them"
        )
