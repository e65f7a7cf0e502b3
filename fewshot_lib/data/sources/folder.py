"""Any folder of images, in one of three layouts, recognised in this order.

Tables: ``train.csv``, ``val.csv``, ``test.csv`` (``filename,label``) beside ``images/`` or folders
named like the splits. Recognised by ``train.csv``.
Split folders: ``train/CLASS/*``, ``val/CLASS/*``, ``test/CLASS/*``. Recognised by a folder in
``train/``, so a class may be called "train" if its images lie in its folder directly.
Class folders: ``CLASS/*``; ``val_classes`` and ``test_classes`` say which class is for what.

Images may lie in deeper folders of their class. Hidden files and folders are passed over, and so
are class folders without an image: a folder of notes or masks beside the classes does no harm.
"""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import torch

from fewshot_lib.data.bank import SPLITS, ImageBank
from fewshot_lib.data.images import SUFFIXES, decode_all, file_size, images_in, is_image, unreadable
from fewshot_lib.data.sources._tables import (
    MEAN,
    STD,
    choose,
    data_folder,
    load_table,
    table_fingerprint,
    table_splits,
)
from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.spec.parameters import DataParams

CHOICES = {"val": "val_classes", "test": "test_classes"}
LONGEST_HINT = 200  # characters; a data set may have thousands of classes

Files = dict[str, list[Path]]  # the images of each class


def splits(params: DataParams) -> list[str]:
    """Splits that have a table, or classes with images.

    Raises:
        InputError: there is no such folder, it holds no classes, or ``val_classes`` and
            ``test_classes`` do not fit it.
    """
    return table_splits(params) if has_tables(params) else list(files_by_split(params))


def fingerprint(params: DataParams, split: str) -> str:
    """Hash of the names and sizes of the split's images, names counted from ``data_dir``.

    Raises:
        InputError: as ``splits``, or there is no such split.
    """
    if has_tables(params):
        return table_fingerprint(params, split)
    digest, root = hashlib.sha256(), root_folder(params)
    for files in split_files(params, split).values():
        for file in files:
            digest.update(os.fsencode(file.relative_to(root).as_posix()))
            digest.update(b"\0%d\n" % file_size(str(file)))
    return digest.hexdigest()


def load(params: DataParams, split: str) -> ImageBank:
    """Decode the split; classes and the images of each are sorted by name.

    ``ids`` are paths counted from ``data_dir``, or what the tables call the images.

    Raises:
        InputError: as ``fingerprint``, an image is damaged, or a class too small.
    """
    if has_tables(params):
        return load_table(params, split)
    root, by_class = root_folder(params), split_files(params, split)
    every = [{"label": name, "file": file} for name, files in by_class.items() for file in files]
    rows = choose(every, params.images_per_class, root)
    number = {name: i for i, name in enumerate(by_class)}
    return ImageBank(
        images=decode_all([row["file"] for row in rows], params.image_size),
        labels=torch.tensor([number[row["label"]] for row in rows]),
        class_names=list(number),
        ids=[row["file"].relative_to(root).as_posix() for row in rows],
        mean=MEAN,
        std=STD,
    )


def root_folder(params: DataParams) -> Path:
    return data_folder(params, "one with a folder of images for each class")


def has_tables(params: DataParams) -> bool:
    """Whether CSV files split the images; then nothing else may."""
    table = root_folder(params) / "train.csv"
    if table.is_file():
        refuse_choices(params, str(table))
    return table.is_file()


def has_split_folders(root: Path) -> bool:
    train = root / "train"
    return train.is_dir() and bool(folders_in(train))


def refuse_choices(params: DataParams, layout: str) -> None:
    for name in CHOICES.values():
        if getattr(params, name) != type(params).model_fields[name].default:
            raise InputError(
                f"{name} has no use, {layout} already splits the classes: leave it out"
            )


def split_files(params: DataParams, split: str) -> Files:
    """The split's images by class."""
    there = files_by_split(params)
    if split in there:
        return there[split]
    root = root_folder(params)
    if not has_split_folders(root):
        raise InputError(f"no split '{split}': {CHOICES[split]} leaves it without a class, set it")
    raise InputError(
        f"no split '{split}': {root / split} has no class folders with images (there are only: "
        f"{', '.join(there) or 'none'}); a data_dir of class folders alone is split by val_classes"
    )


def files_by_split(params: DataParams) -> dict[str, Files]:
    """The images of each split that has classes, by class."""
    root = root_folder(params)
    if has_split_folders(root):
        refuse_choices(params, str(root / "train"))
        found = {split: class_files(root / split, root) for split in SPLITS}
        return {split: files for split, files in found.items() if files}
    files = class_files(root, root)
    require_classes(files, root)
    chosen = assign(files, params, root)
    return {s: {name: files[name] for name in sorted(chosen[s])} for s in SPLITS if chosen[s]}


def folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise unreadable(error) from None


def class_files(folder: Path, root: Path) -> Files:
    """Images of every class folder in ``folder``; nothing if that is missing."""
    if not folder.is_dir():
        return {}
    found = {path.name: images_in(path, root.resolve()) for path in folders_in(folder)}
    return {name: files for name, files in found.items() if files}


def require_classes(files: Files, root: Path) -> None:
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
        f"no classes in {root}: looked for train.csv, train/CLASS/ and CLASS/ with images "
        f"({', '.join(sorted(SUFFIXES))})"
    )


def assign(classes: Collection[str], params: DataParams, root: Path) -> dict[str, list[str]]:
    """Which classes each split gets.

    A share is counted in all classes. Those without a name in a list are put in the order of a
    hash of their names; validation takes from its front, test from its back. So one class more
    or less moves one or two others at most, whatever it is called.

    Raises:
        InputError: a list names a class that is not there or is also in the other list, or
            nothing is left for training.
    """
    chosen = {split: getattr(params, name) for split, name in CHOICES.items()}
    named = {s: sorted(set(c)) if isinstance(c, list) else [] for s, c in chosen.items()}
    check_names(named, classes, root)
    free = sorted(set(classes).difference(*named.values()), key=name_hash)
    n_val, n_test = (share_of(c, len(classes)) for c in chosen.values())
    if n_val + n_test >= len(free):
        raise InputError(too_few(classes, params, root))
    end = len(free) - n_test
    return {
        "train": free[n_val:end],
        "val": named["val"] + free[:n_val],
        "test": named["test"] + free[end:],
    }


def share_of(choice: list[str] | float, n_classes: int) -> int:
    """How many classes a share stands for, at least one if it is not 0; none for a list."""
    if isinstance(choice, list) or choice == 0:
        return 0
    return max(1, round(choice * n_classes))


def name_hash(name: str) -> bytes:
    return hashlib.sha256(os.fsencode(name)).digest()


def check_names(named: dict[str, list[str]], classes: Collection[str], root: Path) -> None:
    for split, names in named.items():
        for name in names:
            if name not in classes:
                raise InputError(f"{CHOICES[split]}: {not_there(name, classes, root)}")
    if both := sorted(set(named["val"]) & set(named["test"])):
        raise InputError(f"class '{both[0]}' is in val_classes and in test_classes: choose one")


def not_there(name: str, classes: Collection[str], root: Path) -> str:
    if (root / name).is_dir():
        return f"class folder {root / name} has no images"
    hint = did_you_mean(name, classes)
    known = f" (there are {len(classes)}, the first is '{min(classes)}')"
    return f"no class '{name}' in {root}{hint if len(hint) < LONGEST_HINT else known}"


def too_few(classes: Collection[str], params: DataParams, root: Path) -> str:
    if len(classes) == 1:
        return (
            f"{root} has only one class folder, '{min(classes)}': add classes, or let data_dir "
            "name the folder that holds the class folders"
        )
    choices = " and ".join(f"{name}={getattr(params, name)!r}" for name in CHOICES.values())
    if len(choices) > LONGEST_HINT:
        choices = " and ".join(CHOICES.values())
    return f"{root} has {len(classes)} classes, {choices} leave none for training: lower them"
