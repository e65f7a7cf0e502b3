"""Omniglot (Lake et al. 2015): handwritten characters of 50 alphabets, 20 drawings of each.

``data_dir`` holds ``images_background/<alphabet>/<character>/*.png``, from which train and val
are taken, and ``images_evaluation/`` alike, which is test if it is there; both may lie in
``omniglot-py/``, where torchvision puts them, or each in another folder of its own name. Or all 50
alphabets lie together, in ``data_dir`` or in ``data/``; then they are told apart by their names.
With ``rotations``, a character turned by 90, 180 or 270 degrees is a class of its own (Santoro et
al. 2016, Vinyals et al. 2016).
"""

from functools import cached_property
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.digests import Content
from fewshot_lib.data.folders import is_image, readable, subfolders
from fewshot_lib.data.images import decode_all
from fewshot_lib.data.listing import Listing, Row, choose, file_size, hash_of, make_bank
from fewshot_lib.data.sources._download import downloading
from fewshot_lib.data.sources._split_names import published_classes
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

# (x - 1) / -1 = 1 - x, as in Snell et al. 2017: ink is 1 and paper 0, what convolutions pad with.
_MEAN, _STD = (1.0, 1.0, 1.0), (-1.0, -1.0, -1.0)

VAL_ALPHABETS, _EVALUATION = map(tuple, published_classes("omniglot").values())
PUBLISHED_LISTS = True  # say which alphabet is for what
_SETS = {"train": "images_background", "val": "images_background", "test": "images_evaluation"}
_LAYOUTS = ("", "omniglot-py")  # folders of data_dir, the second is torchvision's
_TOGETHER = ("", "data")  # folders of data_dir in which all alphabets may lie


def splits(params: DataParams) -> list[str]:
    """Splits that have an alphabet; both sets are downloaded first if so wished.

    Raises:
        InputError: there are no alphabets at all, or a download failed.
    """
    there = [split for split in SPLITS if _alphabets(_set_folder(params, split), split)]
    if not there:
        raise InputError(_why_not(params, "train"))
    return there


def listing(params: DataParams, split: str) -> Listing:
    """The split's drawings; a class is named after its ``<alphabet>/<character>``.

    The fingerprint is a hash of the names and sizes of the files and of what is made of them.

    Raises:
        InputError: the split has no classes, or a class no images.
    """
    folder = _set_folder(params, split)
    alphabets = [folder / name for name in _alphabets(folder, split)]
    characters = [path for alphabet in alphabets for path in subfolders(alphabet)]
    if not characters:
        raise InputError(_why_not(params, split))
    rows = list(chain.from_iterable(_rows_of(folder, path) for path in characters))
    files = [(row.id, file_size(row.file)) for row in rows]
    fingerprint = hash_of(split, VAL_ALPHABETS, params.rotations, _MEAN, _STD, files)
    return _TurnedListing(params, rows, fingerprint, folder, _MEAN, _STD)


class _TurnedListing(Listing):
    """Drawings; with ``rotations`` a character is followed by itself turned, as other classes."""

    @property
    def _degrees(self) -> tuple[int, ...]:
        return (0, 90, 180, 270) if self.params.rotations else (0,)

    @cached_property
    def contents(self) -> list[Content]:
        return [
            Content(_turned_name(c.label, turn), _turned_name(c.id, turn), f"{c.digest}{turn}")
            for c in self._file_contents()
            for turn in self._degrees
        ]

    def load(self) -> ImageBank:
        rows = choose(self.rows, self.params.images_per_class, self.where)
        images = decode_all([row.file for row in rows], self.params.image_size)
        classes: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            classes.setdefault(row.label, []).append(i)
        turns = [(numbers, turn) for numbers in classes.values() for turn in self._degrees]
        turned = torch.cat([images[numbers].rot90(turn // 90, (2, 3)) for numbers, turn in turns])
        all_rows = [
            Row(_turned_name(rows[i].label, turn), _turned_name(rows[i].id, turn), rows[i].file)
            for numbers, turn in turns
            for i in numbers
        ]
        return make_bank(turned, all_rows, self.mean, self.std)


def _turned_name(name: str, turn: int) -> str:
    """``Greek, character07`` turned by 90 is ``Greek, character07, 90°``."""
    return f"{name}, {turn}°" if turn else name


def _rows_of(folder: Path, character: Path) -> list[Row]:
    """Rows of one class."""
    name = readable(character.relative_to(folder).as_posix())
    label = name.replace("_", " ").replace("/", ", ")
    files = sorted(path for path in character.iterdir() if is_image(path))
    if not files:
        raise InputError(f"no images in {character}: extract them again or delete it")
    return [Row(label, f"{name}/{readable(file.name)}", str(file)) for file in files]


def _alphabets(folder: Path | None, split: str) -> list[str]:
    """Those of the split; an alphabet that no list knows is for training."""
    names = [] if folder is None else [path.name for path in subfolders(folder)]
    if folder is not None and folder.name == _SETS["test"]:
        return names
    meant = dict.fromkeys(VAL_ALPHABETS, "val")
    if folder is not None and folder.name != _SETS["train"]:  # all 50 lie together
        meant |= dict.fromkeys(_EVALUATION, "test")
    return [name for name in names if meant.get(name, "train") == split]


def _set_folder(params: DataParams, split: str) -> Path | None:
    """The folder of alphabets that the split belongs to, downloaded if so wished; or None."""
    data_dir, name = from_root(params.data_dir), _SETS[split]
    for layout in _LAYOUTS:
        folder = data_dir / layout / name
        if folder.is_dir():
            return folder / name if (folder / name).is_dir() else folder
    if params.download:
        return _fetch(data_dir, name)
    if any((data_dir / layout / other).exists() for layout in _LAYOUTS for other in _SETS.values()):
        return None
    places = (data_dir / place for place in _TOGETHER)
    return next((place for place in places if _holds_alphabets(place)), None)


def _holds_alphabets(folder: Path) -> bool:
    """Whether folders of folders of images lie in it."""
    characters = (c for a in _folders(folder) for c in _folders(a))
    return any(is_image(path) for character in characters for path in character.iterdir())


def _folders(folder: Path) -> list[Path]:
    return subfolders(folder) if folder.is_dir() else []


def _fetch(data_dir: Path, name: str) -> Path:
    """Download one of the two sets: it takes its place when it is whole.

    Raises:
        InputError: the download failed.
    """
    with downloading(f"Omniglot's {name}.zip", data_dir, f"extract it into {data_dir}"):
        from fewshot_lib.data.vision import torchvision

        with TemporaryDirectory(dir=data_dir, prefix=f".{name}.") as temporary:
            source = torchvision.datasets.Omniglot
            source(temporary, background=name == _SETS["train"], download=True)
            return Path(temporary, source.folder, name).rename(data_dir / name)


def _why_not(params: DataParams, split: str) -> str:
    """One line about a split without classes."""
    name, data_dir = _SETS[split], from_root(params.data_dir)
    if folder := _set_folder(params, split):
        if split == "val":
            return (
                f"no classes for 'val' in {folder}: it needs one of the alphabets "
                f"{', '.join(VAL_ALPHABETS)}, extract all of {name}.zip"
            )
        return f"no classes for '{split}' in {folder}: extract all of {name}.zip"
    for layout in _LAYOUTS:
        if (archive := data_dir / layout / f"{name}.zip").is_file():
            return f"{archive} is not extracted yet: extract it into {data_dir}"
    return f"no folder {data_dir / name}: extract {name}.zip into {data_dir} or set download: true"
