"""A trained network apart from its data: kept, found, loaded, ready for images it has never seen.

A network is used with its weights rounded to float16, as it comes with the project: whatever is
said of it holds for the file that others get.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.images import decode_all
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file, read_array, write_array
from fewshot_lib.learning.device import default_device
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.networks.encoder import feature_size
from fewshot_lib.spec.parameters import Spec

ABOUT = "fewshot"  # key of the weights file's metadata
FOLDER = "FOLDER"  # what data_dir is called where others read it
_CLASS_MEANS = "class_means"  # a tensor in the file, or a file of its own beside it
MEANS_FILE = f"{_CLASS_MEANS}.npy"


@dataclass(frozen=True)
class Trained:
    """A learner in evaluation mode, with what is needed to feed it.

    Attributes:
        path: the weights file.
        mean, std: per-channel statistics it was trained to see images normalised with.
        fingerprint: twelve hex digits of the rounded weights that the test uses.
        kept_means: of the training classes, ``(n_classes, d)``; None where they are not kept.
    """

    path: Path
    spec: Spec
    learner: PrototypicalLearner
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fingerprint: str
    kept_means: torch.Tensor | None

    def bank(self, paths: list[Path]) -> ImageBank:
        """These image files as the learner wants them, in this order; no classes are known."""
        return ImageBank(
            images=decode_all(paths, self.spec.image_size),
            labels=torch.zeros(len(paths), dtype=torch.int64),
            class_names=["unknown"],
            ids=[str(path) for path in paths],
            mean=self.mean,
            std=self.std,
        )

    @property
    def class_means(self) -> torch.Tensor:
        """Means of the embedded images of the training classes, ``(n_classes, d)``.

        Raises:
            InputError: they are not kept with the weights, or are those of another network.
        """
        if self.kept_means is not None:
            return self.kept_means
        path = self.path.with_name(MEANS_FILE)
        if path.is_file():
            raise InputError(f"{path} does not fit: delete it and make the run's report again")
        raise InputError(f"there is no {path}: reports make it for their main runs")


def save_weights(path: Path, learner: PrototypicalLearner, bank: ImageBank) -> None:
    """Write a weights file that tells how to use it: whole or not at all.

    Args:
        bank: what the learner is trained on.
    """
    weights = {k: v.detach().contiguous() for k, v in learner.state_dict().items()}
    _write(path, weights, learner.spec, bank.mean, bank.std)


def export_weights(source: Path, target: Path) -> None:
    """Write what the test needs of a weights file: for others, and about half the size.

    The networks of the test alone, as float16, and the class means if they are kept.

    Raises:
        InputError: as of ``load_trained``.
    """
    trained = load_trained(source)
    tensors = _test_weights(trained.learner, _read(source)[1])
    if trained.kept_means is not None:
        tensors[_CLASS_MEANS] = trained.kept_means.cpu().half()
    _write(target, tensors, trained.spec, trained.mean, trained.std)


def load_trained(path: Path) -> Trained:
    """The learner of a weights file, its weights rounded to float16; nothing is executed.

    What only training uses may be missing from the file, and from the learner then.

    Raises:
        InputError: the file is missing, damaged, not this project's, or its weights do not fit
            the network it names.
    """
    about, weights = _read(path)
    try:
        mean, std = (_three_numbers(about[name]) for name in ("mean", "std"))
        spec = Spec.from_stored(about["spec"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} was not written by this version: {error}") from None
    means = weights.pop(_CLASS_MEANS, None)
    learner = make_learner(spec).to(memory_format=torch.channels_last)
    for name in learner.training_only:
        if not any(key.split(".")[0] == name for key in weights):
            delattr(learner, name)
    expected = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    _require_same(path, expected, {name: tuple(value.shape) for name, value in weights.items()})
    learner.load_state_dict({name: _rounded(value) for name, value in weights.items()})
    learner = learner.to(default_device()).eval()
    fingerprint = _fingerprint(_test_weights(learner, weights))
    means = read_array(path.with_name(MEANS_FILE)) if means is None else means.numpy()
    return Trained(path, spec, learner, mean, std, fingerprint, _checked_means(means, spec))


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a file as they were trained, for another training to start from.

    Raises:
        InputError: the file is missing, damaged or not this project's.
    """
    return _read(path)[1]


def keep_class_means(weights: Path, means: torch.Tensor) -> torch.Tensor:
    """Write the means of the training classes ``(n_classes, d)`` beside a weights file.

    Returns:
        The means as whoever loads the weights will find them.
    """
    rounded = means.half()
    write_array(weights.with_name(MEANS_FILE), rounded.cpu().numpy())
    return rounded.float()


def _checked_means(means: np.ndarray | None, spec: Spec) -> torch.Tensor | None:
    """The means, if they are float16, finite and of a network of this size; else None."""
    if means is None or means.dtype != np.float16:
        return None
    if means.shape[1:] != (feature_size(spec.image_size),) or not np.isfinite(means).all():
        return None
    return torch.from_numpy(means).float().to(default_device())


def _rounded(value: torch.Tensor) -> torch.Tensor:
    """The tensor as float16, unless it holds whole numbers or some that are too large."""
    half = value.half()
    return half if value.is_floating_point() and half.isfinite().all() else value


def _test_weights(
    learner: PrototypicalLearner, weights: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Of these weights what the test uses, rounded."""
    return {
        name: _rounded(value)
        for name, value in sorted(weights.items())
        if name.split(".")[0] not in (*learner.training_only, _CLASS_MEANS)
    }


def _fingerprint(weights: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in weights.items():
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _write(
    path: Path, tensors: dict[str, torch.Tensor], spec: Spec, mean: Sequence, std: Sequence
) -> None:
    """Where the images lie on this machine is nobody else's concern and stays out."""
    values = spec.model_dump() | ({} if spec.data_dir is None else {"data_dir": FOLDER})
    about = json.dumps({"spec": values, "mean": mean, "std": std})
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={ABOUT: about})


def _three_numbers(values: list[float]) -> tuple[float, float, float]:
    """One number for each channel."""
    red, green, blue = map(float, values)
    return red, green, blue


def _read(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """What the file says about itself, and its tensors by name."""
    if not path.is_file():
        raise InputError(f"there is no weights file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        raise InputError(
            f"{path} is not a weights file of this project: name a run's weights.safetensors"
        ) from None


def _require_same(path: Path, expected: dict[str, tuple], found: dict[str, tuple]) -> None:
    """Name the first weight that is missing, unknown or of another shape."""
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            words = [str(shapes.get(name, "not there")) for shapes in (found, expected)]
            raise InputError(f"{path} does not fit: {name} is {words[0]}, should be {words[1]}")
