"""A trained network apart from its data: found, loaded, ready for images it has never seen."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.images import decode_all
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file, read_array
from fewshot_lib.learning.device import default_device
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.networks.encoder import feature_size
from fewshot_lib.spec.parameters import Spec

ABOUT = "fewshot"  # key of the weights file's metadata
CLASS_MEANS = "class_means.npy"  # beside the weights, once their prototypes have been calibrated


@dataclass(frozen=True)
class Trained:
    """A learner in evaluation mode, with what is needed to feed it.

    Attributes:
        mean, std: per-channel statistics it was trained to see images normalised with.
    """

    spec: Spec
    learner: PrototypicalLearner
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

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


def save_weights(path: Path, learner: PrototypicalLearner, bank: ImageBank) -> None:
    """Write a weights file that tells how to use it: whole or not at all.

    Args:
        bank: what the learner is trained on.
    """
    about = {"spec": learner.spec.model_dump(), "mean": bank.mean, "std": bank.std}
    weights = {k: v.detach().contiguous() for k, v in learner.state_dict().items()}
    with atomic_file(path) as temporary:
        save_file(weights, temporary, metadata={ABOUT: json.dumps(about)})


def load_trained(path: Path) -> Trained:
    """The learner of a weights file; nothing in the file is executed.

    Raises:
        InputError: the file is missing, damaged, not this project's, or its weights do not fit
            the network it names.
    """
    about, weights = _read_weights(path)
    try:
        mean, std = (_three_numbers(about[name]) for name in ("mean", "std"))
        spec = Spec.stored(about["spec"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} was not written by this version: {error}") from None
    learner = make_learner(spec).to(memory_format=torch.channels_last)
    expected = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    _require_same(path, expected, {name: tuple(value.shape) for name, value in weights.items()})
    learner.load_state_dict(weights)
    return Trained(spec, learner.to(default_device()).eval(), mean, std)


def read_class_means(weights: Path, spec: Spec) -> torch.Tensor:
    """Means ``(n_classes, d)`` of the training classes, kept beside the weights of a network.

    Raises:
        InputError: there are none, or they do not fit the network of this spec.
    """
    path = weights.parent / CLASS_MEANS
    if (means := find_class_means(path, spec)) is not None:
        return means
    if path.is_file():
        raise InputError(f"{path} does not fit: delete it and make the run's report again")
    raise InputError(f"there is no {path}: reports make it for their main runs")


def find_class_means(path: Path, spec: Spec) -> torch.Tensor | None:
    """The means in this file; None if it is missing, damaged or of another network."""
    means, size = read_array(path), feature_size(spec.image_size)
    fits = means is not None and means.dtype == np.float32 and means.shape[1:] == (size,)
    if not fits or not np.isfinite(means).all():
        return None
    return torch.from_numpy(means).to(default_device())


def _three_numbers(values: list[float]) -> tuple[float, float, float]:
    """One number for each channel."""
    red, green, blue = map(float, values)
    return red, green, blue


def _read_weights(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
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
