"""Any folder of images, in one of three layouts, recognised in this order.

Tables: ``train.csv``, ``val.csv``, ``test.csv`` (``filename,label``) beside ``images/`` or folders
named like the splits. Recognised by a ``train.csv`` that lists images.
Split folders: ``train/CLASS/*``, ``val/CLASS/*``, ``test/CLASS/*``. Recognised by a folder in
``train/``, so a class may be called "train" if its images lie in its folder directly.
Class folders: ``CLASS/*``; ``val_classes`` and ``test_classes`` say which class is for what.

Splits may go by their other usual names: ``valid``, ``Validation``, ``meta-train`` and the like.
Images may lie in deeper folders of their class. What is hidden or another program's is passed
over, and so are class folders without an image: a folder of notes beside the classes does no harm.
"""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from fewshot_lib.data.bank import SPLITS
from fewshot_lib.data.folders import PassedOver, is_image, readable, subfolders
from fewshot_lib.data.listing import Listing
from fewshot_lib.data.sources import _class_folders, _tables
from fewshot_lib.data.sources._class_folders import Files
from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.spec.parameters import DataParams

_CHOICES = {"val": "val_classes", "test": "test_classes"}
_LONGEST_HINT = 200  # characters; a data set may have thousands of classes


def splits(params: DataParams) -> list[str]:
    """Splits that have a table, or classes with images.

    Raises:
        InputError: there is no such folder, it holds no classes, or ``val_classes`` and
            ``test_classes`` do not fit it.
    """
    return list(_usable_tables(params) or _files_by_split(params))


def listing(params: DataParams, split: str) -> Listing:
    """The split's images; ids are paths counted from ``data_dir``, or what the tables call them.

    Raises:
        InputError: as ``splits``, or there is no such split.
    """
    root, tables = _root(params), _usable_tables(params)
    if tables:
        if split not in tables:
            raise _class_folders.no_split(split, list(tables), root, f"add {split}.csv")
        return _tables.table_listing(params, tables[split])
    there = _files_by_split(params)
    if split in there:
        return _class_folders.files_listing(params, there[split], root)
    if _class_folders.split_folders(root):
        remedy = f"{split}/ must hold a folder of images for each class"
        raise _class_folders.no_split(split, list(there), root, remedy)
    raise InputError(f"no split '{split}': {_CHOICES[split]} leaves it without a class, set it")


def passed_over(params: DataParams) -> PassedOver:
    """What in the folder is neither a class nor an image of one."""
    root, passed = _root(params), PassedOver()
    if _usable_tables(params):
        return passed
    for table in _tables.tables(root).values():
        passed[f"table {table.name}, which lists no images by filename and label"] += 1
    if not _class_folders.files_of_splits(root, passed):
        _class_folders.class_files(root, root, passed)
    if loose := sum(map(is_image, root.iterdir())):
        passed["image outside the class folders"] += loose
    return passed


def takes_shares(params: DataParams) -> bool:
    """Whether ``val_classes`` and ``test_classes`` split the classes, and are shares."""
    shares = not any(isinstance(getattr(params, name), list) for name in _CHOICES.values())
    split = _usable_tables(params) or _class_folders.split_folders(_root(params))
    return shares and not split


def _root(params: DataParams) -> Path:
    return _class_folders.data_folder(params, "one with a folder of images for each class")


def _usable_tables(params: DataParams) -> dict[str, Path]:
    """The tables that split the images; none where folders do.

    A ``train.csv`` of another kind is passed over where there are folders of classes.
    """
    root = _root(params)
    tables = _tables.tables(root)
    if "train" not in tables:
        return {}
    try:
        _tables.read_images(tables["train"], ("filename", "label"))
    except InputError as error:
        if _class_folders.files_of_splits(root) or len(_class_folders.class_files(root, root)) > 1:
            return {}
        raise error from None
    _refuse_choices(params, tables["train"])
    return tables


def _refuse_choices(params: DataParams, layout: Path) -> None:
    for name in _CHOICES.values():
        if getattr(params, name) != type(params).model_fields[name].default:
            raise InputError(
                f"{name} has no use, {layout} already splits the classes: leave it out"
            )


def _files_by_split(params: DataParams) -> dict[str, Files]:
    """The images of each split that has classes, by class."""
    root = _root(params)
    if folders := _class_folders.split_folders(root):
        _refuse_choices(params, folders["train"])
        return _class_folders.files_of_splits(root)
    files = _class_folders.class_files(root, root)
    _require_classes(files, root)
    chosen = _assign(files, params, root)
    return {s: {name: files[name] for name in sorted(chosen[s])} for s in SPLITS if chosen[s]}


def _require_classes(files: Files, root: Path) -> None:
    """Say what was looked for, if class folders were not found or splits lack theirs."""
    if files and all(name in SPLITS for name in files):
        flat = root / min(files)
        raise InputError(
            f"the images in {flat} have no classes: put those of each class into a folder of its "
            f"own, or list them in {flat}.csv (filename,label)"
        )
    if files:
        return
    if loose := sum(map(is_image, root.iterdir())):
        raise InputError(
            f"the {loose} images in {root} have no classes: put those of each class into a folder "
            "of its own"
        )
    raise InputError(
        f"no classes in {root}: looked for train.csv, train/CLASS/ and CLASS/ with images, as "
        ".jpg or .png"
    )


def _assign(classes: Collection[str], params: DataParams, root: Path) -> dict[str, list[str]]:
    """Which classes each split gets.

    A share is counted in all classes. Those without a name in a list are put in the order of a
    hash of their names; validation takes from its front, test from its back. So one class more
    or less moves one or two others at most, whatever it is called.

    Raises:
        InputError: a list names a class that is not there or is also in the other list, or
            nothing is left for training.
    """
    chosen = {split: getattr(params, name) for split, name in _CHOICES.items()}
    named = {
        s: sorted({readable(n) for n in c}) if isinstance(c, list) else []
        for s, c in chosen.items()
    }
    _check_names(named, classes, root)
    free = sorted(
        set(classes).difference(*named.values()),
        key=lambda name: hashlib.sha256(os.fsencode(name)).digest(),
    )
    n_val, n_test = (_share_of(c, len(classes)) for c in chosen.values())
    if n_val + n_test >= len(free):
        raise InputError(_too_few(classes, params, root))
    end = len(free) - n_test
    return {
        "train": free[n_val:end],
        "val": named["val"] + free[:n_val],
        "test": named["test"] + free[end:],
    }


def _share_of(choice: list[str] | float, n_classes: int) -> int:
    """How many classes a share stands for, at least one if it is not 0; none for a list."""
    if isinstance(choice, list) or choice == 0:
        return 0
    return max(1, round(choice * n_classes))


def _check_names(named: dict[str, list[str]], classes: Collection[str], root: Path) -> None:
    for split, names in named.items():
        for name in names:
            if name not in classes:
                raise InputError(f"{_CHOICES[split]}: {_not_there(name, classes, root)}")
    if both := sorted(set(named["val"]) & set(named["test"])):
        raise InputError(f"class '{both[0]}' is in val_classes and in test_classes: choose one")


def _not_there(name: str, classes: Collection[str], root: Path) -> str:
    if any(readable(folder.name) == name for folder in subfolders(root)):
        return f"class folder {root / name} has no images"
    hint = did_you_mean(name, classes)
    known = f" (there are {len(classes)}, the first is '{min(classes)}')"
    return f"no class '{name}' in {root}{hint if len(hint) < _LONGEST_HINT else known}"


def _too_few(classes: Collection[str], params: DataParams, root: Path) -> str:
    if len(classes) == 1:
        return (
            f"{root} has only one class folder, '{min(classes)}': add classes, or let data_dir "
            "name the folder that holds the class folders"
        )
    choices = " and ".join(f"{name}={getattr(params, name)!r}" for name in _CHOICES.values())
    if len(choices) > _LONGEST_HINT:
        choices = " and ".join(_CHOICES.values())
    return f"{root} has {len(classes)} classes, {choices} leave none for training: lower them"
