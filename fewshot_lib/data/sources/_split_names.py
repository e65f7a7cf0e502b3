"""Which split a folder, table or archive is meant for by its name, a class by a published list."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from fewshot_lib.data.bank import SPLITS
from fewshot_lib.data.folders import readable
from fewshot_lib.errors import InputError

_MEANT = {
    "train": "train training trainset metatrain metatraining base",
    "val": "val valid validate validation valset validationset dev metaval metavalid "
    "metavalidation",
    "test": "test testing testset metatest metatesting novel eval evaluation",
}


def published_classes(source: str) -> dict[str, list[str]]:
    """The classes of each split in the list that a source's authors published."""
    return {split: names.split() for split, names in _published()[source].items()}


@cache
def _published() -> dict[str, dict[str, str]]:
    return yaml.safe_load(Path(__file__).with_name("published.yaml").read_text("utf-8"))


def split_of(name: str) -> str | None:
    """``val`` for ``Valid`` or ``meta-val``; None for any other word."""
    word = re.sub(r"[-_ .]", "", name.casefold())
    return next((split for split, words in _MEANT.items() if word in words.split()), None)


def by_split(paths: Iterable[Path]) -> dict[str, Path]:
    """The paths whose names, without their endings, are those of splits.

    Raises:
        InputError: two are meant for one split and neither is called by its name.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(paths):
        if split := split_of(path.stem):
            found.setdefault(split, []).append(path)
    return {split: _one(split, found[split]) for split in SPLITS if split in found}


def _one(split: str, paths: list[Path]) -> Path:
    exact = [path for path in paths if path.stem == split]
    if len(exact) == 1 or len(paths) == 1:
        return (exact or paths)[0]
    names = " and ".join(path.name for path in paths)
    raise InputError(
        f"{names} in {readable(str(paths[0].parent))} both seem to be meant for '{split}': rename "
        f"or move one"
    )
