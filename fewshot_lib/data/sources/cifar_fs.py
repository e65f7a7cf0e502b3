"""CIFAR-FS (Bertinetto et al. 2019): CIFAR-100's classes, 64 for train, 16 for val, 20 for test.

``data_dir`` holds one of: ``cifar-100-python/``, CIFAR-100 as it is published and torchvision
downloads it; pickles ``CIFAR_FS_train.pickle`` and the like; or folders ``<class>/*.png`` of the
100 classes, in ``data/``, in ``cifar100/data/`` or elsewhere, as where CIFAR's own training and
test images lie apart.
"""

from functools import cached_property, lru_cache
from pathlib import Path

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.digests import Content, digests
from fewshot_lib.data.folders import is_image, readable, subfolders
from fewshot_lib.data.listing import Listing, Row, choose, file_size, hash_of, make_bank
from fewshot_lib.data.sources import _pickles
from fewshot_lib.data.sources._download import FAILURES, downloading
from fewshot_lib.data.sources._split_names import published_classes
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

_MEAN, _STD = (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)  # of CIFAR-100's training images
_PUBLISHED = "cifar-100-python"
PUBLISHED_LISTS = True  # say which class is for what
_FILES = ("train", "test", "meta")
_LAYOUTS = (_PUBLISHED, "data", "cifar100/data")
CLASSES = published_classes("cifar_fs")
_DEEPEST = 3  # folders below data_dir in which classes are looked for


def splits(params: DataParams) -> list[str]:
    """All three of the published files; of pickles and class folders, the splits that have any.

    Raises:
        InputError: ``data_dir`` holds no CIFAR-100, or the download failed.
    """
    folder = _data_folder(params)
    if folder.name == _PUBLISHED:
        return list(SPLITS)
    if found := _pickles.pickles(folder):
        return list(found)
    there = _class_folders(folder)
    return [split for split in SPLITS if not there.keys().isdisjoint(CLASSES[split])]


def listing(params: DataParams, split: str) -> Listing:
    """The split's images, 600 a class; of the published files, training images come first.

    The fingerprint is a hash of the names and sizes of the files, and of the split's classes.

    Raises:
        InputError: files, class folders or images are missing or damaged.
    """
    folder, statistics = _data_folder(params), {"mean": _MEAN, "std": _STD}
    if folder.name == _PUBLISHED:
        sizes = [(name, file_size(f"{folder}/{name}")) for name in _FILES]
        stamp = tuple(digests([f"{folder}/{name}" for name in _FILES], folder))
        rows = [row for row in _published_rows(params, stamp) if row.label in CLASSES[split]]
        _require_classes({row.label for row in rows}, split, folder)
        fingerprint = hash_of(split, CLASSES[split], _MEAN, _STD, sizes)
        return _PublishedListing(params, rows, fingerprint, folder, **statistics)
    if found := _pickles.pickles(folder):
        if split not in found:
            raise InputError(f"no split '{split}' in {folder}: there are only {', '.join(found)}")
        return _pickles.PickleListing.of(params, found[split], split, **statistics)
    rows = _folder_rows(folder, split)
    sizes = [(row.id, file_size(row.file)) for row in rows]
    fingerprint = hash_of(split, CLASSES[split], _MEAN, _STD, sizes)
    return Listing(params, rows, fingerprint, folder, **statistics)


class _PublishedListing(Listing):
    """Images of the published files; a row's file is the one that it lies in."""

    @cached_property
    def contents(self) -> list[Content]:
        """Without digests: torchvision takes no file of another checksum."""
        return [Content(row.label, row.id, "") for row in self.rows]

    def digest(self) -> str:
        return hash_of(self.fingerprint, digests([f"{self.where}/{x}" for x in _FILES], self.where))

    def load(self) -> ImageBank:
        rows = choose(self.rows, self.params.images_per_class, self.where)
        pixels = {p: _read_published(self.params, train=p == "train").data for p in _FILES[:2]}
        places = [row.id.split("_") for row in rows]
        arrays = [pixels[part][int(number)] for part, number in places]
        images = _pickles.fit_all(arrays, self.params.image_size)
        return make_bank(images, rows, self.mean, self.std)


@lru_cache(maxsize=1)
def _published_rows(params: DataParams, stamp: tuple[str, ...]) -> list[Row]:
    """A row for each published image: ``train_00012`` is one; ``stamp`` says of which files."""
    folder, rows = from_root(params.data_dir) / _PUBLISHED, []
    for part in _FILES[:2]:
        published = _read_published(params, train=part == "train")
        rows += [
            Row(published.classes[target], f"{part}_{i:05}", str(folder / part))
            for i, target in enumerate(published.targets)
        ]
    return rows


def _data_folder(params: DataParams) -> Path:
    """The folder of the published files, whole, or that of pickles or class folders."""
    data_dir = from_root(params.data_dir)
    there = [data_dir / layout for layout in _LAYOUTS if (data_dir / layout).is_dir()]
    if there and there[0].name != _PUBLISHED:
        return there[0]
    folder = data_dir / _PUBLISHED
    if all((folder / name).is_file() for name in _FILES):
        return folder
    if not there and data_dir.is_dir() and (_pickles.pickles(data_dir) or _class_folders(data_dir)):
        return data_dir
    if params.download:
        _read_published(params, train=True)
        return folder
    if there:
        raise InputError(_damaged(data_dir))
    raise InputError(
        f"no CIFAR-100 in {data_dir}: set download: true, "
        f"or put {_PUBLISHED}/ or data/<class>/*.png there"
    )


def _class_folders(folder: Path, depth: int = _DEEPEST) -> dict[str, list[Path]]:
    """The folders of each of the 100 classes, wherever they lie; ``apple`` may be in two places."""
    found: dict[str, list[Path]] = {}
    for path in subfolders(folder):
        name = path.name.lower().replace(" ", "_").replace("-", "_")
        is_class = any(name in names for names in CLASSES.values())
        if is_class and not subfolders(path):  # "train" is a class, too
            found.setdefault(name, []).append(path)
        elif depth > 1:
            for other, paths in _class_folders(path, depth - 1).items():
                found.setdefault(other, []).extend(paths)
    return found


def _folder_rows(folder: Path, split: str) -> list[Row]:
    """A row for each image of the split; ids are paths counted from ``folder``."""
    there = _class_folders(folder)
    _require_classes(there.keys(), split, folder)
    rows = []
    for label in CLASSES[split]:
        files = [f for place in there[label] for f in sorted(place.iterdir()) if is_image(f)]
        if not files:
            raise InputError(f"no images in {there[label][0]}: copy the folder again")
        ids = [readable(file.relative_to(folder).as_posix()) for file in files]
        rows += [Row(label, name, str(file)) for name, file in zip(ids, files, strict=True)]
    return rows


def _require_classes(there: set[str], split: str, folder: Path) -> None:
    if missing := [name for name in CLASSES[split] if name not in there]:
        raise InputError(
            f"{len(missing)} of the {len(CLASSES[split])} classes of '{split}' are missing in "
            f"{folder}, the first is {missing[0]}: extract all of CIFAR-100's classes there"
        )


def _read_published(params: DataParams, train: bool):
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
            raise InputError(_damaged(data_dir)) from None
    with downloading("CIFAR-100", data_dir, f"extract {source.filename} into {data_dir}"):
        return source(data_dir, train=train, download=True)


def _damaged(data_dir: Path) -> str:
    return (
        f"{data_dir / _PUBLISHED} is incomplete or damaged: delete it, then set download: true "
        f"or extract {_PUBLISHED}.tar.gz into {data_dir}"
    )
