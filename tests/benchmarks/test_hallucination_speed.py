"""What M costs: a training step over M, and hallucination against the straightforward loop."""

import pytest
import torch

from fewshot_lib.learning.device import keep_freed_memory
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.networks.encoder import NOISE_SIZE
from fewshot_lib.networks.hallucination import HallucinatingPrototypicalNet
from fewshot_lib.spec.parameters import Spec

SUPPORTS, SIZE = 30, 1600  # 30-way 1-shot at 84 px


@pytest.fixture(autouse=True)
def memory():
    keep_freed_memory()


@pytest.mark.benchmark(group="training step, 30-way 1-shot 1-query, 84 px, by M")
@pytest.mark.parametrize(
    ("n_aug", "original"), [*((m, False) for m in (1, 10, 50, 100, 200)), (1, True), (200, True)]
)
def test_training_step(benchmark, record, n_aug, original):
    values = {"method": "hallucination", "image_size": 84, "n_way": SUPPORTS, "n_aug": n_aug}
    ways = {"mix_queries": True, "batches": "apart"} if original else {}
    spec = Spec.check(values | ways)
    learner = make_learner(spec).to(memory_format=torch.channels_last).train()
    optimizers = learner.optimizers()
    images = torch.randn(2 * SUPPORTS, 3, 84, 84).to(memory_format=torch.channels_last)
    benchmark.pedantic(learner.learn, ([(images, None)], optimizers), rounds=8, warmup_rounds=2)
    times = benchmark.stats.stats.data
    title = "Training step of Problem 2 by M, 30-way 1-shot 1-query, 84 px"
    name = "queries mixed too, two batches" if original else "this library"
    record(title, name, times, M=n_aug)


def loop_of_all(net, real, noise):
    """Each support apart, and the head applied to real, mixed and every fake: the original."""
    mixed, fakes = one_by_one(net, real, noise)
    net.mlp(fakes)
    net.mlp(real)
    return net.mlp(mixed)


def loop_of_needed(net, real, noise):
    """The same loop, with the head applied to what the loss uses alone."""
    return net.mlp(one_by_one(net, real, noise)[0])


def one_by_one(net, real, noise):
    fakes = []
    for feature, z in zip(real, noise, strict=True):
        pairs = torch.cat([feature.expand(len(z), -1), z], dim=1)
        fakes.append(net.hallucinate.encoder(pairs))
    fakes = torch.stack(fakes)
    return torch.cat([real.unsqueeze(1), fakes], dim=1).mean(1), fakes


def exact_shortcut(net, real, noise):
    return net.mlp(net.hallucinate.mix(real, noise))


@pytest.mark.benchmark(group="hallucination alone, forward and backward, 30 supports, M = 200")
@pytest.mark.parametrize("how", [exact_shortcut, loop_of_needed, loop_of_all])
def test_hallucination(benchmark, record, how):
    net = HallucinatingPrototypicalNet(84)
    real = torch.randn(SUPPORTS, SIZE, requires_grad=True)

    def step():
        how(net, real, torch.randn(SUPPORTS, 200, NOISE_SIZE)).sum().backward()

    benchmark.pedantic(step, rounds=8, warmup_rounds=2)
    title = "Hallucination alone, forward and backward, 30 supports of 84 px, M = 200"
    record(title, how.__name__.replace("_", " "), benchmark.stats.stats.data)
