"""Random streams: told apart by name, the same in every process, no trace left behind."""

import os
import subprocess
import sys

import torch

from fewshot_lib.learning.randomness import seeded, stream


def test_seeds_are_the_same_in_every_process():
    script = "from fewshot_lib.learning.randomness import stream; "
    script += "print(stream(3, 'episodes', 7).initial_seed())"
    for hash_seed in ("0", "1"):
        env = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True)
        assert int(done.stdout) == stream(3, "episodes", 7).initial_seed()


def test_names_that_differ_in_anything_have_other_seeds():
    names = [(0, "a", 1), (0, "a", 2), (1, "a", 1), (0, "b", 1), ("0", "a", 1), (0, "a1"), ("a",)]
    seeds = {stream(*name).initial_seed() for name in names}
    assert len(seeds) == len(names)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_stream_starts_over_each_time():
    a, b = (torch.rand(4, generator=stream("x", 1)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, torch.rand(4, generator=stream("x", 2)))


def test_seeded_draws_the_same_and_restores_what_was_before():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded("inside"):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeded("inside"):
        assert torch.equal(torch.rand(3), first)
