"""Training, validation and test share no class and no image: looked at for every source."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from fewshot_lib.data.digests import Content
from fewshot_lib.errors import InputError
from fewshot_lib.spec.words import count

_TOLERATED = 1000  # one image in so many may be in two splits: mini-ImageNet has 6 of 9,600
_NAMED = 3

Contents = Mapping[str, Sequence[Content]]  # of each split


def require_apart(splits: Contents, published: bool = False) -> None:
    """Refuse splits that share a class, or more than one in a thousand of their images.

    Args:
        published: the classes of each split are in a published list, and their images are what
            they are: that some are the same is a remark.

    Raises:
        InputError: names what they share and what to do.
    """
    for one, other in combinations(splits, 2):
        if both := sorted(_classes(splits[one]) & _classes(splits[other])):
            raise InputError(
                f"'{one}' and '{other}' share {count(len(both), 'class')} "
                f"({_first(both)}): few-shot learning is judged on classes it was not trained on, "
                "so give each class to one split (a data_dir of class folders alone, without "
                "train/, val/ and test/, is split by classes)"
            )
        images = [] if published else _shared_images(splits, one, other)
        if len(images) * _TOLERATED > min(len(splits[one]), len(splits[other])):
            raise InputError(
                f"'{one}' and '{other}' share {count(len(images), 'image')} "
                f"({_first(images)}): delete each from one of the two"
            )


def _shared_images(splits: Contents, one: str, other: str) -> list[str]:
    """``id = id`` of each image of one split that is in the other too."""
    ids = {c.digest: c.id for c in splits[one] if c.digest}
    return [f"{ids[c.digest]} = {c.id}" for c in splits[other] if c.digest in ids]


def _repeated_images(contents: Sequence[Content]) -> list[str]:
    """``id = id`` of each image of a split that stands there twice."""
    first: dict[str, str] = {}
    return [
        f"{first[c.digest]} = {c.id}"
        for c in contents
        if c.digest and first.setdefault(c.digest, c.id) != c.id
    ]


def remarks(splits: Contents) -> list[str]:
    """A line for each pair of splits that share images, and for each split that repeats some."""
    lines = []
    for one, other in combinations(splits, 2):
        if images := _shared_images(splits, one, other):
            shared = count(len(images), "image")
            lines.append(f"{one} and {other} share {shared} ({_first(images)})")
    for name, contents in splits.items():
        if images := _repeated_images(contents):
            repeated = count(len(images), "image")
            lines.append(
                f"{name} holds {repeated} twice ({_first(images)}): a support may be a query"
            )
    return lines


def _classes(contents: Sequence[Content]) -> set[str]:
    return {content.label for content in contents}


def _first(items: Sequence[str]) -> str:
    return ", ".join(items[:_NAMED]) + (", …" if len(items) > _NAMED else "")
