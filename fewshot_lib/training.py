"""How it learns: epochs of episodes, judged after each, resumable after each."""

import time
from pathlib import Path

import pandas as pd
import torch

from fewshot_lib.batches import make_batch
from fewshot_lib.data import ImageBank
from fewshot_lib.device import default_device, keep_freed_memory
from fewshot_lib.episodes import sample_episodes
from fewshot_lib.errors import InputError
from fewshot_lib.evaluation import encode, evaluate
from fewshot_lib.learners import Metrics, Optimizers, PrototypicalLearner
from fewshot_lib.methods import make_learner
from fewshot_lib.paths import replacing, write_text
from fewshot_lib.progress import Progress
from fewshot_lib.randomness import seeded, stream
from fewshot_lib.spec import Spec
from fewshot_lib.trained import save_weights

STATE, WEIGHTS, HISTORY = "state.pt", "weights.safetensors", "history.csv"
PREVIOUS = "state.previous.pt"  # one epoch older, in case the newest is damaged
CHECK_EVERY = 50  # episodes between two looks at the loss, each of which waits for the device

Row = dict[str, float]


def train(spec: Spec, train_bank: ImageBank, val_bank: ImageBank, folder: Path) -> list[Row]:
    """Train to the last epoch, from the last one that ``folder`` holds.

    After every epoch ``folder`` has ``state.pt`` to resume from and ``weights.safetensors`` of
    the best epoch so far.

    Returns:
        The history, one row per epoch.
    """
    keep_freed_memory()
    device = default_device()
    with seeded(spec.seed, "weights"):
        learner = make_learner(spec).to(device, memory_format=torch.channels_last)
    optimizers = learner.optimizers()
    history = load_state(folder, learner, optimizers)
    progress = Progress(describe(spec), spec.epochs, spec.episodes, len(history))
    val_episodes = selection_episodes(spec, val_bank)
    for epoch in range(len(history) + 1, spec.epochs + 1):
        started = time.perf_counter()
        row = train_epoch(spec, learner, optimizers, train_bank, epoch, progress)
        row |= validate(spec, learner, val_bank, val_episodes, device)
        row["seconds"] = time.perf_counter() - started
        history.append(row)
        save(folder, learner, optimizers, history, train_bank)
        progress.epoch(epoch, row)
    return history


def train_epoch(
    spec: Spec,
    learner: PrototypicalLearner,
    optimizers: Optimizers,
    bank: ImageBank,
    epoch: int,
    progress: Progress,
) -> Row:
    """One epoch; what is random in it depends on the seed and the epoch's number alone."""
    set_learning_rates(spec, optimizers, epoch)
    device = next(learner.parameters()).device
    sampler, augmenter = (stream(spec.seed, part, epoch) for part in ("episodes", "augment"))
    episodes = sample_episodes(bank, spec.episodes, spec.n_way, spec.n_shot, spec.n_query, sampler)
    learner.train()
    steps: list[Metrics] = []
    with seeded(spec.seed, "dropout", epoch):
        for i, episode in enumerate(episodes, start=1):
            images = make_batch(bank, episode, device, spec.augment, augmenter)
            steps.append(step(learner, images, optimizers, epoch, i))
            if i % CHECK_EVERY == 0 or i == spec.episodes:
                require_finite(spec, steps, epoch)
            progress.episode(epoch, i)
    means = {name: float(sum(step[name] for step in steps)) / len(steps) for name in steps[0]}
    return {"epoch": epoch, "lr": optimizers["main"].param_groups[0]["lr"]} | means


def step(
    learner: PrototypicalLearner,
    images: torch.Tensor,
    optimizers: Optimizers,
    epoch: int,
    episode: int,
) -> Metrics:
    """One training step; some losses raise when features are no numbers any more."""
    try:
        return learner.train_step(images, optimizers)
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
    """Step decay of the main optimizer: times ``lr_gamma`` after every ``lr_step`` epochs."""
    for group in optimizers["main"].param_groups:
        group["lr"] = spec.lr * spec.lr_gamma ** ((epoch - 1) // spec.lr_step)


def selection_episodes(spec: Spec, bank: ImageBank) -> torch.Tensor:
    """The validation episodes that choose the epoch: same ones every epoch and every run."""
    shape = spec.n_way_test, spec.n_shot_test, spec.n_query_test
    return sample_episodes(bank, spec.episodes_val, *shape, stream("selection", *shape))


def validate(
    spec: Spec,
    learner: PrototypicalLearner,
    bank: ImageBank,
    episodes: torch.Tensor,
    device: torch.device,
) -> Row:
    """Accuracy on the selection episodes."""
    features = encode(learner, bank, device)
    noise = stream("selection noise")
    result = evaluate(learner, features, episodes, spec.n_shot_test, spec.n_aug_test, noise)
    mean, ci95, _ = result.accuracy
    return {"val_accuracy": mean, "val_ci95": ci95}


def save(
    folder: Path,
    learner: PrototypicalLearner,
    optimizers: Optimizers,
    history: list[Row],
    bank: ImageBank,
) -> None:
    """Write best weights and history, the state last: a crash before it repeats the epoch."""
    if max(history, key=lambda row: row["val_accuracy"]) is history[-1]:
        save_weights(folder / WEIGHTS, learner, bank)
    write_text(folder / HISTORY, pd.DataFrame(history).to_csv(index=False))
    state = {
        "learner": learner.state_dict(),
        "optimizers": {name: o.state_dict() for name, o in optimizers.items()},
        "history": history,
    }
    with replacing(folder / STATE) as path:
        torch.save(state, path)
        if (folder / STATE).exists():
            (folder / STATE).replace(folder / PREVIOUS)


def load_state(folder: Path, learner: PrototypicalLearner, optimizers: Optimizers) -> list[Row]:
    """Restore the last finished epoch, if there is one; returns the history so far.

    The epoch before it serves if its file is damaged: the lost one is then trained again.

    Raises:
        InputError: no file is sound.
    """
    paths = [folder / name for name in (STATE, PREVIOUS) if (folder / name).exists()]
    for path in paths:
        try:
            return restore(path, learner, optimizers)
        except InputError:
            if path == paths[-1]:
                raise
    return []


def restore(path: Path, learner: PrototypicalLearner, optimizers: Optimizers) -> list[Row]:
    """Put learner and optimizers into the saved state; returns the history up to it."""
    try:
        device = next(learner.parameters()).device
        state = torch.load(path, map_location=device, weights_only=True)
        learner.load_state_dict(state["learner"])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        return state["history"]
    except Exception as error:  # torch's own messages run over many lines
        reason = f"damaged or of another version, {type(error).__name__}"
        raise InputError(f"cannot resume from {path} ({reason}): delete it to start over") from None


def describe(spec: Spec) -> str:
    """A short name for people: ``prototypical 30-way 1-shot euclidean``."""
    fakes = f" M={spec.n_aug}" if spec.n_aug else ""
    seed = f" seed {spec.seed}" if spec.seed else ""
    method = "afhn" if spec.variant == "afhn" else spec.method
    return f"{method} {spec.n_way}-way {spec.n_shot}-shot{fakes} {spec.distance}{seed}"
