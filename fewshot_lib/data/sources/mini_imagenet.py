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
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams


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


_TRAIN = """
n01532829 n01558993 n01704323 n01749939 n01770081 n01843383 n01910747 n02074367 n02089867 n02091831
n02101006 n02105505 n02108089 n02108551 n02108915 n02111277 n02113712 n02120079 n02165456 n02457408
n02606052 n02687172 n02747177 n02795169 n02823428 n02966193 n03017168 n03047690 n03062245 n03207743
n03220513 n03337140 n03347037 n03400231 n03476684 n03527444 n03676483 n03838899 n03854065 n03888605
n03908618 n03924679 n03998194 n04067472 n04243546 n04251144 n04258138 n04275548 n04296562 n04389033
n04435653 n04443257 n04509417 n04515003 n04596742 n04604644 n04612504 n06794110 n07584110 n07697537
n07747607 n09246464 n13054560 n13133613
"""

_VAL = """
n01855672 n02091244 n02114548 n02138441 n02174001 n02950826 n02971356 n02981792 n03075370 n03417042
n03535780 n03584254 n03770439 n03773504 n03980874 n09256479
"""

_TEST = """
n01930112 n01981276 n02099601 n02110063 n02110341 n02116738 n02129165 n02219486 n02443484 n02871525
n03127925 n03146219 n03272010 n03544143 n03775546 n04146614 n04149813 n04418357 n04522168 n07613480
"""

_CLASSES = {"train": _TRAIN.split(), "val": _VAL.split(), "test": _TEST.split()}
