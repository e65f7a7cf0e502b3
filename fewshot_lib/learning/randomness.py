"""Random numbers that depend on what they are for, not on what was drawn before.

Every stream is named: the episodes of epoch 7, the noise of an evaluation. A stream's seed is a
hash of its name, so a resumed run draws what an uninterrupted one would have drawn, with no
generator states to save.
"""

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def _seed_of(*name: str | int) -> int:
    """A 63-bit seed for the stream with this name; does not depend on Python's hash seed."""
    return int.from_bytes(hashlib.sha256(repr(name).encode()).digest()[:8], "big") >> 1


def stream(*name: str | int) -> torch.Generator:
    """A CPU generator for the stream with this name."""
    return torch.Generator().manual_seed(_seed_of(*name))


@contextlib.contextmanager
def seeded(*name: str | int) -> Iterator[None]:
    """Seed PyTorch's global generators inside the block (dropout, init), restore them after."""
    with torch.random.fork_rng():
        torch.manual_seed(_seed_of(*name))
        yield
