"""How it learns: epochs of episodes, judged after each, resumable after each."""

import math
import time
from dataclasses import replace
from pathlib import Path

import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.errors import InputError
from fewshot_lib.learning import checkpoints
from fewshot_lib.learning.batches import epoch_batches, place
from fewshot_lib.learning.checkpoints import Row, Training, WeightAverage
from fewshot_lib.learning.device import Plan, default_device, keep_freed_memory
from fewshot_lib.learning.evaluation import Judge, encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import Features, PrototypicalLearner
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.learning.steps import Episode, Metrics, Optimizers
from fewshot_lib.progress import Progress
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.words import run_title

Weights = dict[str, torch.Tensor]

_CHECK_EVERY = 50  # episodes between two looks at the loss, each of which waits for the device


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
        pretrained: weights to start from, those of a classifier as a rule.

    Returns:
        The history, one row per epoch.
    """
    training = _begin(spec, pretrained or {})
    checkpoints.load(folder, training)
    history = training.history
    progress = Progress(run_title(spec), spec.epochs, spec.episodes, len(history))
    val_episodes = selection_episodes(spec, val_bank)
    train_bank, val_bank = (place(bank, default_device()) for bank in (train_bank, val_bank))
    val_features = None
    if training.learner.frozen and len(history) < spec.epochs:
        features = encode(training.learner, train_bank, default_device())
        train_bank = replace(train_bank, images=features.embedded.clone())
        val_features = encode(training.learner, val_bank, default_device())
        progress.bar.unpause()  # encoding was no part of an epoch
    for epoch in range(len(history) + 1, spec.epochs + 1):
        started = time.perf_counter()
        row = _train_epoch(spec, training, train_bank, epoch, progress)
        row |= validate(spec, training.judged, val_bank, val_episodes, val_features)
        row["seconds"] = time.perf_counter() - started
        history.append(row)
        checkpoints.save(folder, training, train_bank)
        progress.epoch(epoch, row)
    return history


def _begin(spec: Spec, pretrained: Weights) -> Training:
    """A learner that has learned nothing in episodes yet, with its optimizers."""
    keep_freed_memory()
    torch.backends.cudnn.benchmark = True  # all batches of a training have one shape
    with seeded(spec.seed, "weights"):
        learner = make_learner(spec)
    learner.start_from(pretrained)
    plan = Plan.of(spec, default_device())
    learner = learner.to(plan.device, memory_format=plan.layout)
    learner.plan = plan
    average = WeightAverage(learner, spec.ema) if spec.ema else None
    return Training(learner, learner.optimizers(), average)


def _train_epoch(
    spec: Spec, training: Training, bank: ImageBank, epoch: int, progress: Progress
) -> Row:
    """One epoch; what is random in it depends on the seed and the epoch's number alone."""
    learner, optimizers = training.learner, training.optimizers
    learner.train()
    steps: list[Metrics] = []
    with seeded(spec.seed, "dropout", epoch):
        groups = epoch_batches(spec, bank, learner.plan, epoch)
        for n, group in enumerate(groups, start=1):
            _set_learning_rates(learner, optimizers, epoch, n)
            checked = len(steps) // _CHECK_EVERY
            steps += _step(learner, group, optimizers, epoch, len(steps) + 1)
            if training.average:
                training.average.update(learner)
            if len(steps) // _CHECK_EVERY > checked or len(steps) == spec.episodes:
                _require_finite(spec, steps, epoch)
            progress.episode(epoch, len(steps))
    return {"epoch": epoch, "lr": optimizers["main"].param_groups[0]["lr"]} | _means(steps)


def _step(
    learner: PrototypicalLearner,
    group: list[Episode],
    optimizers: Optimizers,
    epoch: int,
    episode: int,
) -> list[Metrics]:
    """One training step; some losses raise when features are no numbers any more.

    Args:
        episode: number of the group's first one in its epoch.
    """
    try:
        return learner.learn(group, optimizers)
    except RuntimeError:
        with torch.no_grad():
            features = [
                batch if learner.frozen else learner.embed(learner.raw(batch)) for batch, _ in group
            ]
        if torch.stack(features).isfinite().all():
            raise
        raise _diverged(learner.spec, "feature", epoch, episode) from None


def _means(steps: list[Metrics]) -> Row:
    """Mean of each metric over episodes; the device is asked once for each."""
    values = {name: torch.stack([step[name] for step in steps]).cpu() for name in steps[0]}
    return {name: float(sum(some)) / len(steps) for name, some in values.items()}


def _require_finite(spec: Spec, steps: list[Metrics], epoch: int) -> None:
    """Stop a training that has left the numbers.

    Raises:
        InputError: a loss is infinite or not a number; says which, and in which episode.
    """
    recent = steps[-_CHECK_EVERY - spec.episodes_per_step :]
    for name in recent[0]:
        bad = ~torch.stack([step[name] for step in recent]).isfinite()
        if bad.any():
            episode = len(steps) - len(recent) + int(bad.int().argmax()) + 1
            raise _diverged(spec, name, epoch, episode)


def _diverged(spec: Spec, what: str, epoch: int, episode: int) -> InputError:
    rate = "gan_lr" if spec.variant == "afhn" else "lr"
    return InputError(
        f"{run_title(spec)} diverged: its {what} is not finite in epoch {epoch}, episode {episode} "
        f"(the epochs before are kept): lower {rate}={getattr(spec, rate):g}"
    )


def _learning_rate(spec: Spec, epoch: int, step: int) -> float:
    """The main optimizer's rate at this step of this epoch, both from 1.

    It rises in equal steps for ``lr_warmup`` epochs. By steps: times ``lr_gamma`` after every
    ``lr_step`` epochs. As a cosine: from ``lr`` in the first epoch after the rise down to almost
    nothing in the last (Loshchilov and Hutter 2017).
    """
    if spec.lr_schedule == "cosine":
        fallen, in_all = epoch - 1 - spec.lr_warmup, spec.epochs - spec.lr_warmup
        factor = (1 + math.cos(math.pi * max(0, fallen) / max(1, in_all))) / 2
    else:
        factor = spec.lr_gamma ** ((epoch - 1) // spec.lr_step)
    if epoch <= spec.lr_warmup:
        per_epoch = math.ceil(spec.episodes / spec.episodes_per_step)
        factor *= ((epoch - 1) * per_epoch + step) / (spec.lr_warmup * per_epoch)
    return spec.lr * factor


def _set_learning_rates(
    learner: PrototypicalLearner, optimizers: Optimizers, epoch: int, step: int
) -> None:
    """Rates from now on: those of the optimizers that follow the schedule; others keep theirs."""
    factor = _learning_rate(learner.spec, epoch, step) / learner.spec.lr
    for group in optimizers["main"].param_groups:
        group["lr"] = factor * learner.spec.lr * group.get("relative_lr", 1)


def selection_episodes(spec: Spec, bank: ImageBank) -> torch.Tensor:
    """The validation episodes that choose the epoch: same ones every epoch and every run."""
    shape = spec.n_way_test, spec.n_shot_test, spec.n_query_test
    return sample_episodes(bank, spec.episodes_val, *shape, stream("selection", *shape))


def validate(
    spec: Spec,
    learner: PrototypicalLearner,
    bank: ImageBank,
    episodes: torch.Tensor,
    features: Features | None = None,
) -> Row:
    """Accuracy on the selection episodes.

    Args:
        features: of the bank, if they are known.
    """
    features = features or encode(learner, bank, default_device())
    judge = Judge(learner, features, spec.n_aug_test, ("selection noise",))
    result = judge.evaluate(episodes, spec.n_shot_test)
    mean, ci95, _ = result.accuracy
    return {"val_accuracy": mean, "val_ci95": ci95}
