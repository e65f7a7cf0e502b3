"""mini-ImageNet in every layout it goes round in, recognised in this order.

Course layout: ``train.csv``, ``val.csv`` (``id,filename,label``) beside the folders ``train/`` and
``val/``; ``test.csv`` and ``test/`` if there are any.
Split layout (Ravi & Larochelle 2017): ``train.csv``, ``val.csv``, ``test.csv``
(``filename,label``) beside one folder ``images/``, flat or with a folder for each class.
Pickles: ``mini-imagenet-cache-train.pkl`` and the like, or MetaOptNet's.
Split folders: ``train/CLASS/*``, ``val/CLASS/*``, ``test/CLASS/*``.
Class folders: the 100 classes (or ``images/`` with them), split by the list that Ravi and
Larochelle published.
"""

from pathlib import Path

from fewshot_lib.data.bank import SPLITS
from fewshot_lib.data.folders import PassedOver
from fewshot_lib.data.listing import Listing
from fewshot_lib.data.sources import _class_folders, _pickles, _tables
from fewshot_lib.data.sources._class_folders import Files
from fewshot_lib.data.sources._split_names import published_classes
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams

_CLASSES = published_classes("mini_imagenet")


def splits(params: DataParams) -> list[str]:
    """Splits that have a table, a pickle, or classes with images.

    Raises:
        InputError: there is no such folder, or none of the layouts in it.
    """
    root = _root(params)
    found = _tables.tables(root) or _pickles.pickles(root) or _files(root)
    if not found:
        raise InputError(
            f"no mini-ImageNet in {root}: data_dir must hold train.csv and val.csv with their "
            "images, mini-imagenet-cache-*.pkl, train/CLASS/ and val/CLASS/, or the 100 class "
            "folders"
        )
    return list(found)


def listing(params: DataParams, split: str) -> Listing:
    """The split's images, in the order of the table or of their names.

    Raises:
        InputError: as ``splits``; there is no such split, or its files are missing or damaged.
    """
    root, there = _root(params), splits(params)
    if split not in there:
        raise _class_folders.no_split(split, there, root, f"add {split}.csv and its images")
    if tables := _tables.tables(root):
        return _tables.table_listing(params, tables[split])
    if pickles := _pickles.pickles(root):
        return _pickles.PickleListing.of(params, pickles[split], split)
    return _class_folders.files_listing(params, _files(root)[split], root)


def passed_over(params: DataParams) -> PassedOver:
    """What in the folder is neither a class nor an image of one; tables know what they list."""
    root, passed = _root(params), PassedOver()
    if not _tables.tables(root) and not _pickles.pickles(root):
        _files(root, passed)
    return passed


def _root(params: DataParams) -> Path:
    return _class_folders.data_folder(params, "the one with train.csv and val.csv")


def _files(root: Path, passed: PassedOver | None = None) -> dict[str, Files]:
    """The images of each split that has classes, in folders."""
    if found := _class_folders.files_of_splits(root, passed):
        return found
    files = _class_folders.class_files(root, root, passed)
    if set(files) == {"images"}:
        files = _class_folders.class_files(root / "images", root, passed)
    if not files:
        return {}
    if strangers := sorted(set(files).difference(*_CLASSES.values())):
        raise InputError(
            f"{root} has no train.csv, and its class folder '{strangers[0]}' is none of "
            "mini-ImageNet's: source folder takes any class folders"
        )
    found = {s: {n: files[n] for n in sorted(files) if n in _CLASSES[s]} for s in SPLITS}
    return {split: classes for split, classes in found.items() if classes}
