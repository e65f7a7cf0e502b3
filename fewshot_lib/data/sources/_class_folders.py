"""Splits given as folders: a folder of images for each class, in folders of splits or not."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from fewshot_lib.data.bank import SPLITS
from fewshot_lib.data.folders import PassedOver, by_name, images_in, readable, subfolders
from fewshot_lib.data.listing import Listing, Row, file_size
from fewshot_lib.data.sources._split_names import by_split
from fewshot_lib.errors import InputError
from fewshot_lib.files import from_root
from fewshot_lib.spec.parameters import DataParams

Files = dict[str, list[Path]]  # the images of each class


def data_folder(params: DataParams, what: str) -> Path:
    """The folder ``data_dir`` names; ``what`` says in an error which one it must be."""
    folder = from_root(params.data_dir)
    if not folder.is_dir():
        raise InputError(f"no folder {folder}: data_dir must name {what}")
    return folder


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of splits; none unless that for training holds folders of classes.

    ``base`` may be a class: it is for training where ``novel`` or one for validation is beside it.
    """
    found = by_split(subfolders(root))
    train = found.get("train")
    if train is None or not subfolders(train):
        return {}
    return found if len(found) > 1 or train.name.casefold() != "base" else {}


def class_files(folder: Path, root: Path, passed: PassedOver | None = None) -> Files:
    """Images of every class folder in ``folder``, by the classes' readable names."""
    passed = PassedOver() if passed is None else passed
    found = {
        name: images_in(path, root.resolve(), passed)
        for name, path in by_name(subfolders(folder, passed)).items()
    }
    passed.update(f"folder {name} without images" for name, files in found.items() if not files)
    return {name: files for name, files in sorted(found.items()) if files}


def files_of_splits(root: Path, passed: PassedOver | None = None) -> dict[str, Files]:
    """The images in folders of splits, of each split that has classes."""
    folders = split_folders(root)
    found = {s: class_files(folders[s], root, passed) for s in SPLITS if s in folders}
    return {split: files for split, files in found.items() if files}


def files_listing(params: DataParams, files: Files, root: Path) -> Listing:
    """These images; ids are paths counted from ``root``.

    The fingerprint is a hash of the names and sizes of the images.
    """
    rows, digest = [], hashlib.sha256()
    for label, paths in files.items():
        for path in paths:
            name = path.relative_to(root).as_posix()
            row = Row(label, readable(name), str(path))
            digest.update(os.fsencode(name) + b"\0%d\n" % file_size(row.file))
            rows.append(row)
    return Listing(params, rows, digest.hexdigest(), root)


def no_split(split: str, there: Sequence[str], root: Path, remedy: str) -> InputError:
    only = f"there are only: {', '.join(there)}" if there else "there is none"
    return InputError(f"no split '{split}' in {root} ({only}); {remedy}")
