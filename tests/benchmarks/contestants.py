"""What races: a process of its own for each contestant, which takes a step at each request.

Usage: ``python contestants.py '{"who": "ours", "what": "training", …}'``. Every line on standard
input asks for one step; the answer is a line of JSON: ``seconds`` it took, ``loading`` of them
before the network, and the process' peak memory in MB.
"""

import json
import math
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from reference import MEAN, STD, Episodes, Pictures, logits, network, train_step
from torch.utils.data import DataLoader, Subset

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.data.images import decode_all
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.learning.device import Plan, keep_freed_memory
from fewshot_lib.learning.evaluation import Judge, encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.spec.parameters import Spec

Step = Callable[[], float]  # returns the seconds until the images were there

CPU = torch.device("cpu")
RATE = {"lr": 1e-3, "momentum": 0.9}
N_WAY, N_SHOT, N_QUERY = 5, 1, 15  # of a test episode


def bank_of(folder: Path, image_size: int, repeats: int = 1) -> ImageBank:
    """The images of the folder, each ``repeats`` times."""
    pictures = Pictures(folder)
    images = decode_all(pictures.files, image_size).repeat_interleave(repeats, dim=0)
    labels = torch.tensor(pictures.labels).repeat_interleave(repeats)
    names = [str(i) for i in range(max(pictures.labels) + 1)]
    return ImageBank(images, labels, names, [""] * len(labels), MEAN, STD)


def our_training(folder: Path, precision: str = "float32", **shape: int) -> Step:
    """The library's step, prepared as in ``fewshot_lib.training.train``."""
    keep_freed_memory()
    spec = Spec.check({"precision": precision, **shape})
    bank, plan = bank_of(folder, spec.image_size), Plan.of(spec, CPU)
    learner = make_learner(spec).to(memory_format=plan.layout).train()
    learner.plan = plan
    optimizers, generator = learner.optimizers(), torch.Generator()

    def step() -> float:
        started = time.perf_counter()
        shape = spec.n_way, spec.n_shot, spec.n_query
        episode = sample_episodes(bank, 1, *shape, generator)
        images = make_batch(bank, episode, CPU)
        loaded = time.perf_counter() - started
        learner.learn([(images, None)], optimizers)
        return loaded

    return step


def reference_training(
    folder: Path, image_size: int, n_way: int, n_shot: int, n_query: int
) -> Step:
    episodes = Episodes(Pictures(folder), n_way, n_shot + n_query)
    net = network(image_size).train()
    optimizer = torch.optim.SGD(net.parameters(), **RATE)

    def step() -> float:
        started = time.perf_counter()
        images = episodes.load()
        loaded = time.perf_counter() - started
        train_step(net, optimizer, images, n_shot)
        return loaded

    return step


def easyfsl_training(folder: Path, image_size: int, n_way: int, n_shot: int, n_query: int) -> Step:
    from easyfsl.methods import PrototypicalNetworks

    batches = iter(easyfsl_loader(Pictures(folder), n_way, n_shot, n_query, 1_000_000))
    model = PrototypicalNetworks(network(image_size)).train()
    optimizer = torch.optim.SGD(model.parameters(), **RATE)

    def step() -> float:
        started = time.perf_counter()
        support, support_labels, query, query_labels, _ = next(batches)
        loaded = time.perf_counter() - started
        optimizer.zero_grad()
        model.process_support_set(support, support_labels)
        torch.nn.functional.cross_entropy(model(query), query_labels).backward()
        optimizer.step()
        return loaded

    return step


def easyfsl_loader(dataset, *shape_and_tasks: int) -> DataLoader:
    """Its sampler of episodes in a loader; torch's ``Sampler`` takes no argument any more."""
    torch.utils.data.Sampler.__init__ = lambda self, data_source=None: None
    from easyfsl.samplers import TaskSampler

    sampler = TaskSampler(dataset, *shape_and_tasks)
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)


def our_evaluation(folder: Path, image_size: int, n_images: int, n_episodes: int) -> Step:
    """Everything encoded once, then all episodes in feature space; ``n_images`` or a few more."""
    keep_freed_memory()
    repeats = -(-n_images // len(Pictures(folder)))
    bank = bank_of(folder, image_size, repeats)
    learner = make_learner(Spec.check({"image_size": image_size}))
    learner = learner.to(memory_format=torch.channels_last)
    shape = N_WAY, N_SHOT, N_QUERY

    def step() -> float:
        episodes = sample_episodes(bank, n_episodes, *shape, torch.Generator())
        Judge(learner, encode(learner, bank, CPU)).evaluate(episodes, N_SHOT)
        return 0.0

    return step


def reference_evaluation(folder: Path, image_size: int, n_images: int, n_episodes: int) -> Step:
    """Every image of every episode is loaded and encoded, whether it was met before or not."""
    episodes = Episodes(Pictures(folder), N_WAY, N_SHOT + N_QUERY)
    net = network(image_size).eval()

    @torch.no_grad()
    def step() -> float:
        for _ in range(n_episodes):
            logits(net, episodes.load(), N_SHOT).argmax(-1)
        return 0.0

    return step


def easyfsl_evaluation(folder: Path, image_size: int, n_images: int, n_episodes: int) -> Step:
    """Its way with cached features: embed all, then episodes of embeddings through a loader."""
    from easyfsl.datasets import FeaturesDataset
    from easyfsl.methods import PrototypicalNetworks
    from easyfsl.utils import evaluate as evaluate_episodes
    from easyfsl.utils import predict_embeddings

    pictures = Pictures(folder)
    chosen = Subset(pictures, [i % len(pictures) for i in range(n_images)])
    net, model = network(image_size).eval(), PrototypicalNetworks(torch.nn.Identity())

    def step() -> float:
        embeddings = predict_embeddings(DataLoader(chosen, batch_size=64), net)
        dataset = FeaturesDataset.from_dataframe(embeddings)
        loader = easyfsl_loader(dataset, N_WAY, N_SHOT, N_QUERY, n_episodes)
        evaluate_episodes(model, loader, device="cpu", use_tqdm=False)
        return 0.0

    return step


CONTESTANTS = {
    "training": {
        "ours": our_training,
        "rounded": partial(our_training, precision="bfloat16"),
        "usual": reference_training,
        "easyfsl": easyfsl_training,
    },
    "evaluation": {
        "ours": our_evaluation,
        "usual": reference_evaluation,
        "easyfsl": easyfsl_evaluation,
    },
}


def peak() -> float:
    """The most memory this process has held, in MB; nan where the system does not tell.

    Not ``getrusage``: its peak begins with that of the process this one was started by.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return math.nan
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def main() -> None:
    task = json.loads(sys.argv[1])
    contestant = CONTESTANTS[task.pop("what")][task.pop("who")]
    step = contestant(Path(task.pop("folder")), **task)
    for _ in sys.stdin:
        started = time.perf_counter()
        loading = step()
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "loading": loading, "peak": peak()}), flush=True)


if __name__ == "__main__":
    main()
