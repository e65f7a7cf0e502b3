"""Whether a data set is large enough for a report, and what to ask of it if it is not."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fewshot_lib.data.bank import apart_listings
from fewshot_lib.data.sources.folder import takes_shares
from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams, Spec
from fewshot_lib.spec.problems import PROBLEMS, ReportParams
from fewshot_lib.spec.words import count

_QUERIES_LEFT = 3  # of a class, for the largest K of those that are compared
_OF_PRETRAINING = 6  # images of a class in a batch

Problems = Mapping[str, ReportParams]


class Size(NamedTuple):
    """Of a split: number of classes, and of images of its smallest class."""

    classes: int
    images: int


def split_sizes(params: DataParams) -> dict[str, Size]:
    """The size of each split, without regard to ``images_per_class``; nothing is decoded.

    Raises:
        InputError: the source cannot be read, or splits share classes or images.
    """
    counts = {
        split: Counter(content.label for content in listing.contents)
        for split, listing in apart_listings(params).items()
    }
    return {split: Size(len(c), min(c.values())) for split, c in counts.items() if c}


def require_fit(problems: Problems) -> None:
    """Refuse data that is too small for a report, before anything is trained.

    Raises:
        InputError: the source cannot be read; or one line with all that is too small, and the
            settings with which the report can be made.
    """
    groups: dict[str, dict[str, ReportParams]] = {}
    for name, params in problems.items():
        data = params.model_dump_json(include=set(DataParams.model_fields))
        groups.setdefault(data, {})[name] = params
    for data, group in groups.items():
        sizes = split_sizes(DataParams.model_validate_json(data))
        if lacking := _lacking(group, sizes):
            raise InputError(f"{'; '.join(lacking)}. {_remedy(group, sizes)}")


def fitting(problems: Problems, sizes: Mapping[str, Size]) -> dict[str, Any] | None:
    """The parameters to change so that data of these sizes will do; None if none are enough."""
    chosen, sizes = _class_choice(next(iter(problems.values())), sizes)
    if "train" not in sizes or "val" not in sizes:
        return None
    changes = chosen | _changes(problems, sizes)
    try:
        changed = {name: _change(name, params, changes) for name, params in problems.items()}
    except InputError:
        return None
    return None if _lacking(changed, sizes) else changes


def _class_choice(
    params: DataParams, sizes: Mapping[str, Size]
) -> tuple[dict[str, Any], Mapping[str, Size]]:
    """Shares of classes that give validation two or more, where the source takes shares."""
    n_classes = sum(size.classes for size in sizes.values())
    enough = {"train", "val"} <= sizes.keys() and min(s.classes for s in sizes.values()) > 1
    if enough or n_classes < 4 or params.source != "folder" or not takes_shares(params):
        return {}, sizes
    n_val, smallest = max(2, n_classes // 4), min(size.images for size in sizes.values())
    changed = {"train": Size(n_classes - n_val, smallest), "val": Size(n_val, smallest)}
    return {"val_classes": round(n_val / n_classes, 2), "test_classes": 0.0}, changed


def settings(changes: Mapping[str, Any]) -> str:
    """``--set n_way=8 --set shots=[1,5]``."""
    return " ".join(f"--set {shlex.quote(f'{k}={_as_yaml(v)}')}" for k, v in changes.items())


def _as_yaml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return "null" if value is None else str(value)


def _change(name: str, params: ReportParams, changes: Mapping[str, Any]) -> ReportParams:
    own = {key: value for key, value in changes.items() if key in PROBLEMS[name].model_fields}
    return PROBLEMS[name].check(params.model_dump() | own)


def _lacking(problems: Problems, sizes: Mapping[str, Size]) -> list[str]:
    """What the splits are too small for, a phrase each."""
    specs = [spec for params in problems.values() for spec in params.all_specs()]
    lacking = [f"there is no split '{split}'" for split in ("train", "val") if split not in sizes]
    for split, size in sizes.items():
        ways, images = _needed(specs, split)
        if size.classes < ways:
            lacking.append(f"{split} has {count(size.classes, 'class')}, {ways}-way needs {ways}")
        most = max(images, key=sum)
        if size.images < sum(most):
            lacking.append(
                f"{split} has a class of {count(size.images, 'image')}, {most[0]} support + "
                f"{most[1]} query need {sum(most)}"
            )
    per_class = next(iter(problems.values())).images_per_class or 0
    if sizes and per_class > (smallest := min(size.images for size in sizes.values())):
        lacking.append(f"images_per_class={per_class}, but a class has {count(smallest, 'image')}")
    return lacking


def _needed(specs: Iterable[Spec], split: str) -> tuple[int, list[tuple[int, int]]]:
    """Most ways, and supports and queries of a class in every run's episodes of the split."""
    if split == "train":
        pretrained = [(1, _OF_PRETRAINING - 1)] if any(s.pretrain_epochs for s in specs) else []
        return max(s.n_way for s in specs), [(s.n_shot, s.n_query) for s in specs] + pretrained
    return max(s.n_way_test for s in specs), [(s.n_shot_test, s.n_query_test) for s in specs]


def _changes(problems: Problems, sizes: Mapping[str, Size]) -> dict[str, Any]:
    """Ways, shots and queries lowered to what the splits hold, where they are higher."""
    train, judged = sizes["train"], [size for split, size in sizes.items() if split != "train"]
    first = next(iter(problems.values()))
    per_class = first.images_per_class
    fits = per_class is None or per_class <= min(size.images for size in sizes.values())
    most = per_class if fits and per_class else max(size.images for size in sizes.values())
    trained_on = min(train.images, most)
    tested_on = min(most, *(size.images for size in judged))
    shots = getattr(problems.get("problem1"), "shots", [])
    kept = [k for k in shots if k + _QUERIES_LEFT <= min(trained_on, tested_on)]
    kept = kept or [1] * bool(shots)
    specs = _fixed_specs(problems)
    largest = max([first.n_shot, *kept, *(spec.n_shot for spec in specs)])
    test_shots = [s.n_shot_test for s in specs] + kept + [first.spec().n_shot_test]
    limits = {
        "n_way": train.classes,
        "n_way_compare": train.classes,
        "n_way_test": min(size.classes for size in judged),
        "n_query": trained_on - first.n_shot,
        "n_query_compare": trained_on - largest,
        "n_query_test": tested_on - max(test_shots),
    }
    implied = {"n_query": first.n_shot, "n_query_compare": largest}  # as many as shots
    changes = {} if fits else {"images_per_class": None}
    for name, limit in limits.items():
        asked = [getattr(p, name) or implied[name] for p in problems.values() if hasattr(p, name)]
        if asked and max(asked) > limit:
            changes[name] = limit
    if first.pretrain_epochs and trained_on < _OF_PRETRAINING:
        changes["pretrain_epochs"] = 0
    return changes | ({"shots": kept} if kept != shots else {})


def _fixed_specs(problems: Problems) -> list[Spec]:
    """The runs whose numbers of shots no parameter sets."""
    return [s for name, p in problems.items() if name != "problem1" for s in p.all_specs()]


def _remedy(problems: Problems, sizes: Mapping[str, Size]) -> str:
    changes = fitting(problems, sizes)
    if changes is not None:
        return f"Add images, or lower what is asked for: {settings(changes)}"
    specs = _fixed_specs(problems)
    images = max([next(iter(problems.values())).n_shot, *(spec.n_shot for spec in specs)]) + 1
    return (
        f"It takes at least 2 classes of {images} images in each of training, validation and test "
        "(none in a test that is left out): add some"
    )
