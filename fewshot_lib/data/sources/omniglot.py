"""Omniglot (Lake et al. 2015): handwritten characters of 50 alphabets, 20 drawings of each.

``data_dir`` holds ``images_background/<alphabet>/<character>/*.png``, from which train and val
are taken, and ``images_evaluation/`` alike, which is test if it is there; both may lie in
``omniglot-py/``, where torchvision puts them. With ``rotations``, a character turned by 90, 180
or 270 degrees is a class of its own (Santoro et al. 2016, Vinyals et al. 2016).
"""

import hashlib
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.images import decode_all, file_size, is_image
from fewshot_lib.data.sources._download import downloading
from fewshot_lib.data.sources._tables import Row, choose
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

# (x - 1) / -1 = 1 - x, as in Snell et al. 2017: ink is 1 and paper 0, what convolutions pad with.
MEAN, STD = (1.0, 1.0, 1.0), (-1.0, -1.0, -1.0)

# Lake et al. fix background and evaluation only. Which of the 30 background alphabets validate is
# this project's choice: 204 of 964 characters, from scripts whose characters are easy to tell
# apart (Anglo-Saxon, Tagalog) to such as hardly can be (Gujarati, katakana). The three Canadian
# syllabaries stay together in train: they share their signs and turn them to write other vowels.
VAL_ALPHABETS = (
    "Anglo-Saxon_Futhorc",
    "Armenian",
    "Gujarati",
    "Hebrew",
    "Japanese_(katakana)",
    "Tagalog",
)
SETS = {"train": "images_background", "val": "images_background", "test": "images_evaluation"}
LAYOUTS = ("", "omniglot-py")  # folders of data_dir, the second is torchvision's


def splits(params: DataParams) -> list[str]:
    """Splits that have an alphabet; both sets are downloaded first if so wished.

    Raises:
        InputError: there are no alphabets at all, or a download failed.
    """
    there = [split for split in SPLITS if alphabets(set_folder(params, split), split)]
    if not there:
        raise InputError(why_not(params, "train"))
    return there


def fingerprint(params: DataParams, split: str) -> str:
    """Hash of the names and sizes of the split's files and of what is made of them.

    Raises:
        InputError: the split has no classes, or a class no images.
    """
    folder, rows = drawings(params, split)
    files = [(row["filename"], file_size(f"{folder}/{row['filename']}")) for row in rows]
    content = [split, VAL_ALPHABETS, params.rotations, MEAN, STD, files]
    return hashlib.sha256(repr(content).encode()).hexdigest()


def load(params: DataParams, split: str) -> ImageBank:
    """Decode the split; a character is followed by its rotations.

    Raises:
        InputError: the split has no classes, a class too few images, or an image is damaged.
    """
    folder, rows = drawings(params, split)
    rows = choose(rows, params.images_per_class, folder)
    images = decode_all([folder / row["filename"] for row in rows], params.image_size)
    classes = {row["label"]: [] for row in rows}
    for row in rows:
        classes[row["label"]].append(row["filename"])
    degrees = (0, 90, 180, 270) if params.rotations else (0,)
    sizes = torch.tensor([len(files) for files in classes.values()])
    return ImageBank(
        images=turned(images, sizes.tolist(), degrees),
        labels=torch.arange(len(sizes) * len(degrees)).repeat_interleave(
            sizes.repeat_interleave(len(degrees))
        ),
        class_names=[turned_name(name, turn) for name in classes for turn in degrees],
        ids=[
            turned_name(file, turn)
            for files in classes.values()
            for turn in degrees
            for file in files
        ],
        mean=MEAN,
        std=STD,
    )


def turned(images: torch.Tensor, sizes: list[int], degrees: tuple[int, ...]) -> torch.Tensor:
    """Every class turned counter-clockwise by each angle in turn, ``(n * n_angles, 3, s, s)``."""
    classes = images.split(sizes)
    return torch.cat([x.rot90(turn // 90, (2, 3)) for x in classes for turn in degrees])


def turned_name(name: str, turn: int) -> str:
    """``Greek, character07`` turned by 90 is ``Greek, character07, 90°``."""
    return f"{name}, {turn}°" if turn else name


def drawings(params: DataParams, split: str) -> tuple[Path, list[Row]]:
    """The set's folder and a row for each image of the split: its class and its file in there."""
    folder = set_folder(params, split)
    names = alphabets(folder, split)
    characters = [f"{name}/{character}" for name in names for character in folders(folder / name)]
    if not characters:
        raise InputError(why_not(params, split))
    return folder, list(chain.from_iterable(rows_of(folder, name) for name in characters))


def rows_of(folder: Path, character: str) -> list[Row]:
    """Rows of one class, named after its ``<alphabet>/<character>``."""
    label = character.replace("_", " ").replace("/", ", ")
    files = sorted(path.name for path in (folder / character).iterdir() if is_image(path))
    if not files:
        raise InputError(f"no images in {folder / character}: extract them again or delete it")
    return [{"label": label, "filename": f"{character}/{name}"} for name in files]


def alphabets(folder: Path | None, split: str) -> list[str]:
    """Those of the split; an alphabet that no list knows is for training."""
    names = [] if folder is None else folders(folder)
    if split == "test":
        return names
    return [name for name in names if (name in VAL_ALPHABETS) == (split == "val")]


def folders(folder: Path) -> list[str]:
    """Names of the folders in this one, sorted; hidden ones do not count."""
    return sorted(x.name for x in folder.iterdir() if x.is_dir() and not x.name.startswith("."))


def set_folder(params: DataParams, split: str) -> Path | None:
    """The folder of alphabets that the split belongs to, downloaded if so wished; or None."""
    data_dir = from_root(params.data_dir)
    for layout in LAYOUTS:
        if (folder := data_dir / layout / SETS[split]).is_dir():
            return folder
    return fetch(data_dir, SETS[split]) if params.download else None


def fetch(data_dir: Path, name: str) -> Path:
    """Download one of the two sets: it takes its place when it is whole.

    Raises:
        InputError: the download failed.
    """
    with downloading(f"Omniglot's {name}.zip", data_dir, f"extract it into {data_dir}"):
        from fewshot_lib.data.vision import torchvision

        with TemporaryDirectory(dir=data_dir, prefix=f".{name}.") as temporary:
            source = torchvision.datasets.Omniglot
            source(temporary, background=name == SETS["train"], download=True)
            return Path(temporary, source.folder, name).rename(data_dir / name)


def why_not(params: DataParams, split: str) -> str:
    """One line about a split without classes."""
    name, data_dir = SETS[split], from_root(params.data_dir)
    if folder := set_folder(params, split):
        if split == "val":
            return (
                f"no classes for 'val' in {folder}: it needs one of the alphabets "
                f"{', '.join(VAL_ALPHABETS)}, extract all of {name}.zip"
            )
        return f"no classes for '{split}' in {folder}: extract all of {name}.zip"
    for layout in LAYOUTS:
        if (archive := data_dir / layout / f"{name}.zip").is_file():
            return f"{archive} is not extracted yet: extract it into {data_dir}"
    return f"no folder {data_dir / name}: extract {name}.zip into {data_dir} or set download: true"
