"""CIFAR-FS (Bertinetto et al. 2019): CIFAR-100's classes, 64 for train, 16 for val, 20 for test.

``data_dir`` holds one of: ``cifar-100-python/``, CIFAR-100 as it is published and torchvision
downloads it; ``data/<class>/*.png``; ``cifar100/data/<class>/*.png``.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.images import decode_all, file_size, fit, is_image
from fewshot_lib.data.sources._download import FAILURES, downloading
from fewshot_lib.data.sources._tables import Row, choose
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

MEAN, STD = (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)  # of CIFAR-100's training images
PUBLISHED = "cifar-100-python"
LAYOUTS = (PUBLISHED, "data", "cifar100/data")


def splits(params: DataParams) -> list[str]:
    """All three of the published files; of class folders, the splits that have any.

    Raises:
        InputError: ``data_dir`` holds no CIFAR-100, or the download failed.
    """
    folder = data_folder(params)
    if folder.name == PUBLISHED:
        return list(SPLITS)
    return [x for x in SPLITS if any((folder / name).is_dir() for name in CLASSES[x])]


def fingerprint(params: DataParams, split: str) -> str:
    """Hash of the names and sizes of the files, and of the split's classes; decodes nothing.

    Raises:
        InputError: files or class folders are missing.
    """
    folder = data_folder(params)
    if folder.name == PUBLISHED:
        names = ["train", "test", "meta"]
    else:
        names = [row["filename"] for row in folder_rows(folder, split)]
    files = [(name, file_size(f"{folder}/{name}")) for name in names]
    return hashlib.sha256(repr([split, CLASSES[split], MEAN, STD, files]).encode()).hexdigest()


def load(params: DataParams, split: str) -> ImageBank:
    """The split's images, 600 a class; of the published files, training images come first.

    Raises:
        InputError: files, class folders or images are missing or damaged, or a class is too small.
    """
    folder = data_folder(params)
    if folder.name == PUBLISHED:
        images, rows = load_published(params, split)
    else:
        rows = choose(folder_rows(folder, split), params.images_per_class, folder)
        images = decode_all([folder / row["filename"] for row in rows], params.image_size)
    number = {name: i for i, name in enumerate(CLASSES[split])}
    return ImageBank(
        images=images,
        labels=torch.tensor([number[row["label"]] for row in rows]),
        class_names=list(CLASSES[split]),
        ids=[row["filename"] for row in rows],
        mean=MEAN,
        std=STD,
    )


def data_folder(params: DataParams) -> Path:
    """The folder of the published files, whole, or that of the class folders."""
    data_dir = from_root(params.data_dir)
    there = [data_dir / layout for layout in LAYOUTS if (data_dir / layout).is_dir()]
    if there and there[0].name != PUBLISHED:
        return there[0]
    folder = data_dir / PUBLISHED
    if all((folder / name).is_file() for name in ("train", "test", "meta")):
        return folder
    if params.download:
        read_published(params, train=True)
        return folder
    if there:
        raise InputError(damaged(data_dir))
    raise InputError(
        f"no CIFAR-100 in {data_dir}: set download: true, "
        f"or put {PUBLISHED}/ or data/<class>/*.png there"
    )


def folder_rows(folder: Path, split: str) -> list[Row]:
    """A row for each image of the split: its class and its file."""
    require_classes({path.name for path in folder.iterdir() if path.is_dir()}, split, folder)
    rows = []
    for label in CLASSES[split]:
        names = sorted(path.name for path in (folder / label).iterdir() if is_image(path))
        if not names:
            raise InputError(f"no images in {folder / label}: copy the folder again")
        rows += [{"label": label, "filename": f"{label}/{name}"} for name in names]
    return rows


def require_classes(there: set[str], split: str, folder: Path) -> None:
    if missing := [name for name in CLASSES[split] if name not in there]:
        raise InputError(
            f"{len(missing)} of the {len(CLASSES[split])} classes of '{split}' are missing in "
            f"{folder}, the first is {missing[0]}: extract all of CIFAR-100's classes there"
        )


def load_published(params: DataParams, split: str) -> tuple[torch.Tensor, list[Row]]:
    """Images of the split, uint8 ``(n, 3, s, s)``, and a row for each: ``train_00012`` is one."""
    folder = from_root(params.data_dir) / PUBLISHED
    pixels, rows = {}, []
    for part in ("train", "test"):
        published = read_published(params, train=part == "train")
        require_classes(set(published.classes), split, folder)
        for i, target in enumerate(published.targets):
            if (label := published.classes[target]) in CLASSES[split]:
                name = f"{part}_{i:05}"
                pixels[name] = published.data[i]
                rows.append({"label": label, "filename": name})
    rows = choose(rows, params.images_per_class, folder)
    images = torch.empty(len(rows), 3, params.image_size, params.image_size, dtype=torch.uint8)
    for image, row in zip(images, rows, strict=True):
        fitted = fit_pixels(pixels[row["filename"]], params.image_size)
        image.copy_(torch.from_numpy(fitted).permute(2, 0, 1))
    return images, rows


def fit_pixels(pixels: np.ndarray, size: int) -> np.ndarray:
    """``(h, w, 3)`` to ``(size, size, 3)``; the native size takes no image object, for speed."""
    if pixels.shape == (size, size, 3):
        return pixels
    return np.array(fit(Image.fromarray(pixels), size))


def read_published(params: DataParams, train: bool):
    """torchvision's data set, downloaded if so wished; it unpickles no file of another checksum.

    Raises:
        InputError: a file is missing or damaged, or the download failed.
    """
    from fewshot_lib.data.vision import torchvision

    data_dir, source = from_root(params.data_dir), torchvision.datasets.CIFAR100
    try:
        return source(data_dir, train=train)
    except FAILURES:
        if not params.download:
            raise InputError(damaged(data_dir)) from None
    with downloading("CIFAR-100", data_dir, f"extract {source.filename} into {data_dir}"):
        return source(data_dir, train=train, download=True)


def damaged(data_dir: Path) -> str:
    return (
        f"{data_dir / PUBLISHED} is incomplete or damaged: delete it, then set download: true "
        f"or extract {PUBLISHED}.tar.gz into {data_dir}"
    )


TRAIN = """
apple aquarium_fish bear bee bottle bowl boy bridge bus can castle caterpillar chair clock cloud
cockroach couch cup dinosaur dolphin elephant forest girl hamster house kangaroo keyboard
lawn_mower lion lizard lobster mountain mouse mushroom oak_tree orange orchid palm_tree pear
pine_tree plate porcupine possum rabbit raccoon ray road seal shrew skunk skyscraper snake spider
squirrel streetcar sunflower tank tiger train trout tulip turtle willow_tree wolf
"""

VAL = """
beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle otter sea
shark television tractor
"""

TEST = """
baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail
sweet_pepper table telephone wardrobe whale woman worm
"""

CLASSES = {"train": TRAIN.split(), "val": VAL.split(), "test": TEST.split()}
