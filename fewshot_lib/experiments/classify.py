"""Few-shot learning on one's own photographs: a few named images, any number of unnamed ones."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from fewshot_lib.data.folders import by_name, images_in, is_image, readable, subfolders
from fewshot_lib.errors import InputError
from fewshot_lib.learning.device import default_device
from fewshot_lib.learning.evaluation import FAKES_AT_ONCE, encode
from fewshot_lib.learning.prototypical import Features
from fewshot_lib.learning.randomness import stream
from fewshot_lib.learning.weights import Trained
from fewshot_lib.networks.calibration import calibrate

_IMAGES_AT_ONCE = 512  # decoded and encoded together: bounds the memory

Classes = Mapping[str, Sequence[Path]]  # support images of each class


class Picture(NamedTuple):
    """A query image: its file, what the table calls it, its class or "" if that is unknown."""

    path: Path
    name: str
    truth: str = ""


class Prediction(NamedTuple):
    """The two nearest classes of an image.

    The probabilities are the network's own, a softmax over its distances to the classes at hand:
    they are no shares of right answers, and an image of none of the classes gets high ones, too.
    """

    picture: Picture
    label: str
    probability: float
    runner_up: str
    runner_up_probability: float

    @property
    def right(self) -> bool:
        return self.label == self.picture.truth

    @property
    def wrong(self) -> bool:
        return bool(self.picture.truth) and not self.right


def read_supports(folder: Path) -> dict[str, list[Path]]:
    """Class name to support images: one subfolder for each class, which may go deeper.

    Raises:
        InputError: there is no such folder, it has fewer than two classes, one of them has no
            images, or an image lies outside them.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: --support takes one folder per class in it")
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    folders = by_name(subfolders(folder))
    classes = {name: images_in(path, folder.resolve()) for name, path in folders.items()}
    if len(classes) < 2:
        found = f"only one class, '{next(iter(classes))}'" if classes else "no class folders"
        raise InputError(f"{folder} has {found}: make a folder of images for each of 2 or more")
    if empty := [name for name, paths in classes.items() if not paths]:
        raise InputError(f"class '{empty[0]}' has no images: fill or remove {folder / empty[0]}")
    if loose := [path for path in entries if is_image(path) and not path.is_dir()]:
        raise InputError(f"{loose[0]} lies in no class: move it into the folder of its class")
    return classes


def read_queries(places: Sequence[Path], classes: Classes) -> list[Picture]:
    """The images to classify; one that is named twice counts once.

    Args:
        places: folders, searched with their subfolders, and files. An image is called by its
            path within the folder; if that is not unique, by its whole path. The nearest
            subfolder named like a class tells its true class.

    Raises:
        InputError: a place is missing, has no images, or holds a support.
    """
    found: dict[Path, Picture] = {}
    for place in places:
        for picture in _pictures_at(place, classes):
            found.setdefault(picture.path.resolve(), picture)
    supports = {path.resolve() for paths in classes.values() for path in paths}
    if both := next((p.path for key, p in found.items() if key in supports), None):
        raise InputError(f"{both} is a support and a query: keep the two in different folders")
    uses = Counter(picture.name for picture in found.values())
    return [
        picture if uses[picture.name] == 1 else picture._replace(name=readable(str(picture.path)))
        for picture in found.values()
    ]


def _pictures_at(place: Path, classes: Classes) -> list[Picture]:
    """The query images of one folder, or of one file."""
    if place.is_dir():
        relative = [path.relative_to(place) for path in images_in(place, place.resolve().parent)]
        if not relative:
            raise InputError(f"query folder {place} has no images")
        return [
            Picture(place / path, readable(path.as_posix()), _true_class(path, classes))
            for path in relative
        ]
    if not place.exists():
        raise InputError(f"there is no query {place}: name an image or a folder of images")
    if not is_image(place):
        raise InputError(f"query {place} is no image: its name ends like none, as .jpg or .png do")
    return [Picture(place, readable(str(place)))]


def _true_class(path: Path, classes: Classes) -> str:
    """The nearest parent folder named like a class, or ""."""
    return next((name for name in map(readable, path.parts[-2::-1]) if name in classes), "")


@torch.inference_mode()
def _class_prototypes(
    trained: Trained, classes: Classes, class_means: torch.Tensor | None = None
) -> torch.Tensor:
    """Prototypes ``(n_way, d)``; a class may have any number of supports.

    Where the run hallucinates in its test episodes, it does so here, always with the same noise.

    Args:
        class_means: of the training classes ``(n_classes, d)``, to calibrate prototypes with.
    """
    noise = stream("classify noise")
    prototypes = torch.stack([_prototype(trained, paths, noise) for paths in classes.values()])
    if class_means is None:
        return prototypes
    shots = torch.tensor([[len(paths)] for paths in classes.values()], device=prototypes.device)
    return calibrate(prototypes, shots, class_means, trained.learner.distance)


def _prototype(trained: Trained, paths: Sequence[Path], noise: torch.Generator) -> torch.Tensor:
    """The prototype ``(d,)`` of one class: the mean over blocks of its supports."""
    n_aug = trained.spec.n_aug_test
    total = 0
    for block in _blocks(paths, max(1, min(_IMAGES_AT_ONCE, FAKES_AT_ONCE // max(1, n_aug)))):
        features = encode(trained.learner, trained.bank(block), default_device())
        support = Features(*(part.unsqueeze(0) for part in features))  # (n_way = 1, n_shot, d)
        total = total + len(block) * trained.learner.prototypes(support, n_aug, noise)[0]
    return total / len(paths)


def _blocks(items: Sequence, size: int) -> Iterator[list]:
    return (list(items[i : i + size]) for i in range(0, len(items), size))


@torch.inference_mode()
def classify(
    trained: Trained,
    classes: Classes,
    queries: Sequence[Picture],
    class_means: torch.Tensor | None = None,
) -> Iterator[Prediction]:
    """The nearest class of each query, in order; images are decoded block by block.

    Args:
        class_means: as of ``calibration.calibrate``.

    Raises:
        InputError: an image cannot be decoded; names it.
    """
    prototypes, names = _class_prototypes(trained, classes, class_means), list(classes)
    learner, n_aug = trained.learner, trained.spec.n_aug_test
    for block in _blocks(queries, _IMAGES_AT_ONCE):
        bank = trained.bank([picture.path for picture in block])
        features, places = encode(learner, bank, default_device()), torch.arange(len(block))
        # Each with the same noise, so that the answer does not depend on the other images.
        found = [
            learner.queries(features.at(place), n_aug, stream("query noise"))
            for place in places.split(1)
        ]
        logits = learner.distance.compare(torch.cat(found), prototypes).cpu()
        logits, order = logits.sort(descending=True, stable=True)
        rows = zip(block, order.tolist(), logits.double().softmax(-1).tolist(), strict=True)
        for picture, (first, second, *_), (p_first, p_second, *_) in rows:
            yield Prediction(picture, names[first], p_first, names[second], p_second)


def tally(classes: Classes, predictions: Sequence[Prediction]) -> pd.DataFrame:
    """Of each class its name, and how many images: supports, predicted as it, known to be of it,
    right.
    """
    counts = {
        "supports": {name: len(paths) for name, paths in classes.items()},
        "predicted": Counter(p.label for p in predictions),
        "known": Counter(p.picture.truth for p in predictions),
        "right": Counter(p.label for p in predictions if p.right),
    }
    return pd.DataFrame(
        {"name": name} | {k: counted.get(name, 0) for k, counted in counts.items()}
        for name in classes
    )


def accuracy_line(numbers: pd.DataFrame) -> str:
    """``62.5 % (125 of 200 images, 95 % interval 55.6 to 68.9 %)``; "" if no class is known.

    The interval is Wilson's (1927), which holds for few images and for shares near 0 and 1.

    Args:
        numbers: as of ``tally``.
    """
    from scipy.stats import binomtest

    right, n = (int(numbers[column].sum()) for column in ("right", "known"))
    if not n:
        return ""
    low, high = binomtest(right, n).proportion_ci(method="wilson")
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    return f"{100 * right / n:.1f} % ({right} of {n} images, {interval})"
