"""Specs and values in a few words."""

from collections.abc import Sequence
from typing import Any

from fewshot_lib.spec.parameters import Spec


def differing_values(specs: Sequence[Spec]) -> dict[str, list[Any]]:
    """Parameters that are not the same for all: name to one value for each spec."""
    columns = {name: [getattr(spec, name) for spec in specs] for name in Spec.model_fields}
    return {name: v for name, v in columns.items() if any(value != v[0] for value in v)}


def short_names(names: Sequence[str]) -> list[str]:
    """The names without the words that all have, where they stay different: for tight places."""
    parts = [name.partition(", ") for name in names]
    common = set.intersection(*(set(base.split()) for base, _, _ in parts))
    short = []
    for base, _, rest in parts:
        own = " ".join(word for word in base.split() if word not in common)
        short.append(", ".join(filter(None, (own, rest))) or base)
    return short if len(set(short)) == len(names) else list(names)


def episode_shape(spec: Spec) -> tuple[int, int, int]:
    """Ways, shots and queries of the episodes that a run is judged on."""
    return spec.n_way_test, spec.n_shot_test, spec.n_query_test


def episodes_in_words(n_way: int, n_shot: int, n_query: int) -> str:
    """``5-way 1-shot, 15 queries a class``."""
    return f"{n_way}-way {n_shot}-shot, {count(n_query, 'query')} a class"


def count(n: int, what: str) -> str:
    """``1 class``, ``2 classes``, ``15 queries``, ``1,000 images``."""
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}{'es' if what[-1] == 's' else 's'}"
    return f"{n:,} {what if n == 1 else many}"


def value_text(value: Any) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def run_title(spec: Spec) -> str:
    """A short name for people: ``prototypical 30-way 1-shot euclidean``."""
    fakes = f" M={spec.n_aug}" if spec.n_aug else ""
    seed = f" seed {spec.seed}" if spec.seed else ""
    method = spec.method if spec.variant == "original" else spec.variant
    if spec.method == "classification":
        return f"pretraining, {spec.n_classes} classes{seed}"
    return f"{method} {spec.n_way}-way {spec.n_shot}-shot{fakes} {spec.distance}{seed}"
