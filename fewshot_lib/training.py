"""How it learns: epochs of episodes, judged after each, resumable after each."""

import math
import time
from pathlib import Path

import torch

from fewshot_lib import checkpoints
from fewshot_lib.averaging import WeightAverage
from fewshot_lib.batches import make_batch
from fewshot_lib.checkpoints import Row, Training
from fewshot_lib.data import ImageBank
from fewshot_lib.device import default_device, keep_freed_memory
from fewshot_lib.episodes import sample_episodes
from fewshot_lib.errors import InputError
from fewshot_lib.evaluation import encode, evaluate
from fewshot_lib.learners import Metrics, Optimizers, PrototypicalLearner
from fewshot_lib.methods import make_learner
from fewshot_lib.progress import Progress
from fewshot_lib.randomness import seeded, stream
from fewshot_lib.spec import Spec

Weights = dict[str, torch.Tensor]

CHECK_EVERY = 50  # episodes between two looks at the loss, each of which waits for the device


def train(
    spec: Spec,
    train_bank: ImageBank,
    val_bank: ImageBank,
    folder: Path,
    pretrained: Weights | None = None,
) -> list[Row]:
    """Train to the last epoch, from the last one that ``folder`` holds.

    After every epoch ``folder`` has ``state.pt`` to resume from and ``weights.safetensors`` of
    the best epoch so far.

    Args:
        pretrained: weights of a classifier to start the extractor from.

    Returns:
        The history, one row per epoch.
    """
    keep_freed_memory()
    training = begin(spec, pretrained or {})
    checkpoints.load(folder, training)
    history = training.history
    progress = Progress(describe(spec), spec.epochs, spec.episodes, len(history))
    val_episodes = selection_episodes(spec, val_bank)
    for epoch in range(len(history) + 1, spec.epochs + 1):
        started = time.perf_counter()
        row = train_epoch(spec, training, train_bank, epoch, progress)
        row |= validate(spec, training.judged, val_bank, val_episodes)
        row["seconds"] = time.perf_counter() - started
        history.append(row)
        checkpoints.save(folder, training, train_bank)
        progress.epoch(epoch, row)
    return history


def begin(spec: Spec, pretrained: Weights) -> Training:
    """A learner that has learned nothing in episodes yet, with its optimizers."""
    with seeded(spec.seed, "weights"):
        learner = make_learner(spec)
    learner.start_from(pretrained)
    learner = learner.to(default_device(), memory_format=torch.channels_last)
    return Training(learner, learner.optimizers(), WeightAverage(learner, spec.ema))


def train_epoch(
    spec: Spec, training: Training, bank: ImageBank, epoch: int, progress: Progress
) -> Row:
    """One epoch; what is random in it depends on the seed and the epoch's number alone."""
    learner, optimizers = training.learner, training.optimizers
    set_learning_rates(spec, optimizers, epoch)
    device = next(learner.parameters()).device
    sampler, augmenter = (stream(spec.seed, part, epoch) for part in ("episodes", "augment"))
    episodes = sample_episodes(bank, spec.episodes, spec.n_way, spec.n_shot, spec.n_query, sampler)
    learner.train()
    steps: list[Metrics] = []
    with seeded(spec.seed, "dropout", epoch):
        for i, episode in enumerate(episodes, start=1):
            images = make_batch(bank, episode, device, spec.augment, augmenter)
            labels = bank.labels[episode.flatten()].to(device)
            steps.append(step(learner, images, labels, optimizers, epoch, i))
            training.average.update(learner)
            if i % CHECK_EVERY == 0 or i == spec.episodes:
                require_finite(spec, steps, epoch)
            progress.episode(epoch, i)
    means = {name: float(sum(step[name] for step in steps)) / len(steps) for name in steps[0]}
    return {"epoch": epoch, "lr": optimizers["main"].param_groups[0]["lr"]} | means


def step(
    learner: PrototypicalLearner,
    images: torch.Tensor,
    labels: torch.Tensor,
    optimizers: Optimizers,
    epoch: int,
    episode: int,
) -> Metrics:
    """One training step; some losses raise when features are no numbers any more."""
    try:
        return learner.train_step(images, optimizers, labels)
    except RuntimeError:
        with torch.no_grad():
            features = learner.embed(learner.raw(images))
        if features.isfinite().all():
            raise
        raise diverged(learner.spec, "feature", epoch, episode) from None


def require_finite(spec: Spec, steps: list[Metrics], epoch: int) -> None:
    """Stop a training that has left the numbers.

    Raises:
        InputError: a loss is infinite or not a number; says which, and in which episode.
    """
    recent = steps[-CHECK_EVERY:]
    for name in recent[0]:
        bad = ~torch.stack([step[name] for step in recent]).isfinite()
        if bad.any():
            episode = len(steps) - len(recent) + int(bad.int().argmax()) + 1
            raise diverged(spec, name, epoch, episode)


def diverged(spec: Spec, what: str, epoch: int, episode: int) -> InputError:
    return InputError(
        f"{describe(spec)} diverged: its {what} is not finite in epoch {epoch}, episode {episode} "
        f"(the epochs before are kept): lower lr={spec.lr:g}"
    )


def set_learning_rates(spec: Spec, optimizers: Optimizers, epoch: int) -> None:
    """The main optimizer's rate in this epoch.

    By steps: times ``lr_gamma`` after every ``lr_step`` epochs. As a cosine: from ``lr`` in the
    first epoch down to almost nothing in the last (Loshchilov and Hutter 2017).
    """
    if spec.lr_schedule == "cosine":
        factor = (1 + math.cos(math.pi * (epoch - 1) / spec.epochs)) / 2
    else:
        factor = spec.lr_gamma ** ((epoch - 1) // spec.lr_step)
    for group in optimizers["main"].param_groups:
        group["lr"] = spec.lr * factor


def selection_episodes(spec: Spec, bank: ImageBank) -> torch.Tensor:
    """The validation episodes that choose the epoch: same ones every epoch and every run."""
    shape = spec.n_way_test, spec.n_shot_test, spec.n_query_test
    return sample_episodes(bank, spec.episodes_val, *shape, stream("selection", *shape))


def validate(
    spec: Spec,
    learner: PrototypicalLearner,
    bank: ImageBank,
    episodes: torch.Tensor,
) -> Row:
    """Accuracy on the selection episodes."""
    features = encode(learner, bank, default_device())
    noise = stream("selection noise")
    result = evaluate(learner, features, episodes, spec.n_shot_test, spec.n_aug_test, noise)
    mean, ci95, _ = result.accuracy
    return {"val_accuracy": mean, "val_ci95": ci95}


def describe(spec: Spec) -> str:
    """A short name for people: ``prototypical 30-way 1-shot euclidean``."""
    fakes = f" M={spec.n_aug}" if spec.n_aug else ""
    seed = f" seed {spec.seed}" if spec.seed else ""
    method = "afhn" if spec.variant == "afhn" else spec.method
    if spec.method == "classification":
        return f"pretraining, {spec.n_classes} classes{seed}"
    return f"{method} {spec.n_way}-way {spec.n_shot}-shot{fakes} {spec.distance}{seed}"
