"""What must hold for every input, tried on many that nobody thought of."""

import csv
import math
import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fewshot_lib.data.bank import ImageBank, _read_bank, _write_bank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.data.testcases import read_testcases
from fewshot_lib.errors import InputError
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import PROBLEMS
from fewshot_lib.spec.profiles import read_params
from fewshot_lib.spec.yaml_text import read_yaml

MODELS = {"spec": Spec, **PROBLEMS}
FIELDS = [(model, name) for model in MODELS.values() for name in model.model_fields]


def kinds(annotation: Any) -> set[str]:
    """Names of the Python types a field takes, unions and annotations taken apart."""
    if inner := get_args(annotation):
        parts = inner[:1] if hasattr(annotation, "__metadata__") else inner
        origin = {"list"} if getattr(annotation, "__origin__", None) is list else set()
        return origin | {kind for part in parts for kind in kinds(part)}
    return {annotation.__name__ if isinstance(annotation, type) else type(annotation).__name__}


NUMBERS = [(m, name) for m, name in FIELDS if "str" not in kinds(m.model_fields[name].annotation)]
quick = settings(max_examples=25, deadline=None)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**9),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
)
ANYTHING = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(), SCALARS))


def refused(model: type[Params], values: dict[str, Any]) -> str | None:
    """The line that refuses these values, None if they are accepted."""
    try:
        model.check(values)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("model", "name"), FIELDS)
@quick
@given(value=ANYTHING)
def test_any_value_of_any_parameter_is_accepted_or_refused_in_one_line(model, name, value):
    line = refused(model, {name: value})
    if line is not None:
        assert "\n" not in line.replace(repr(value), "")
        assert len(line) > 10
    elif isinstance(value, float):
        assert math.isfinite(value)


@pytest.mark.parametrize(("model", "name"), NUMBERS)
@quick
@given(text=st.text(st.characters(categories=["Lu"]), min_size=1, max_size=12))
def test_words_for_a_number_are_refused_by_name(model, name, text):
    assume(text.lower() not in ("null", "true", "false", "yes", "no", "on", "off"))
    line = refused(model, {name: text})
    assert line.startswith(f"{name}=")


@pytest.mark.parametrize(("model", "name"), FIELDS)
@quick
@given(letter=st.characters(categories=["Ll"]), place=st.integers(0, 30))
def test_a_misspelt_parameter_is_named_with_the_right_one(model, name, letter, place):
    place = min(place, len(name))
    wrong = name[:place] + letter + name[place:]
    assume(wrong not in model.model_fields)
    line = refused(model, {wrong: 1})
    assert line.startswith(f"unknown parameter '{wrong}'")
    assert "did you mean" in line or "known:" in line


BOUNDED = {"n_way": 1, "n_shot": 0, "epochs": 0, "lr": 0.0, "lr_gamma": 1.01, "image_size": 15}


@pytest.mark.parametrize("name", BOUNDED)
@quick
@given(far=st.integers(0, 10**6))
def test_a_number_beyond_its_bound_is_refused(name, far):
    beyond = BOUNDED[name] + far if name == "lr_gamma" else BOUNDED[name] - far
    assert refused(Spec, {name: beyond}).startswith(f"{name}=")


VALID = {
    "n_way": st.integers(2, 100),
    "n_shot": st.integers(1, 20),
    "lr": st.floats(1e-6, 10.0),
    "weight_decay": st.floats(0.0, 1.0),
    "distance_scale": st.none() | st.floats(1e-3, 100.0),
    "distance": st.sampled_from(["euclidean", "cosine", "parametric"]),
    "augment": st.lists(st.sampled_from(["flip", "crop", "jitter"]), max_size=3),
    "seed": st.integers(0, 2**40),
}


@settings(max_examples=100, deadline=None)
@given(values=st.fixed_dictionaries({}, optional=VALID))
def test_a_spec_survives_yaml_and_keeps_its_identity(values):
    spec = Spec.check(values)
    back = Spec.check(read_yaml(yaml.safe_dump(spec.model_dump()), "spec"))
    assert back == spec
    assert back.identity("data") == spec.identity("data")


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_any_setting_is_read_or_refused(text):
    try:
        params = read_params("glyphs", None, [text])
    except InputError as error:
        assert str(error)
    else:
        assert text.partition("=")[0].strip() in type(params).model_fields


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it is a function without state
)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 2**62),
)
def test_episodes_are_whole_or_refused(make_bank, sizes, shape, seed):
    bank, (n_way, n_shot, n_query) = make_bank(*sizes), shape
    generator = torch.Generator().manual_seed(seed)
    if n_way > len(sizes) or n_shot + n_query > min(sizes):
        with pytest.raises(InputError, match=r"episode|class"):
            sample_episodes(bank, 3, *shape, generator)
        return
    episodes = sample_episodes(bank, 3, *shape, generator)
    assert episodes.shape == (3, n_way, n_shot + n_query)
    for episode in episodes:
        labels = bank.labels[episode]
        assert (labels == labels[:, :1]).all()  # a row is a class
        assert len(labels[:, 0].unique()) == n_way
        assert len(episode.unique()) == episode.numel()


names = st.text(min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
def test_a_bank_survives_its_cache_and_a_cut_one_is_not_read(sizes, data):
    n = sum(sizes)
    bank = ImageBank(
        images=torch.randint(256, (n, 3, 2, 2), dtype=torch.uint8),
        labels=torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)),
        class_names=data.draw(st.lists(names, min_size=len(sizes), max_size=len(sizes))),
        ids=data.draw(st.lists(names, min_size=n, max_size=n)),
        mean=(0.0, 0.5, 1.0),
        std=(1.0, 0.1, -1.0),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bank.safetensors"
        _write_bank(path, bank, "print")
        read = _read_bank(path)
        assert torch.equal(read.images, bank.images)
        assert torch.equal(read.labels, bank.labels)
        about = ("class_names", "ids", "mean", "std")
        assert all(getattr(read, name) == getattr(bank, name) for name in about)
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        assert _read_bank(path) is None


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_given_as_test_cases_is_read_or_refused_in_one_line(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.csv"
        path.write_bytes(content)
        with pytest.raises(InputError):
            read_testcases(path)


ids = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    episodes=st.lists(ids, min_size=1, max_size=3, unique=True),
    data=st.data(),
)
def test_test_cases_of_any_shape_and_any_ids_are_read_as_they_were_written(shape, episodes, data):
    n_way, n_shot, n_query = shape
    header = [f"class{c}_support{k}" for c in range(n_way) for k in range(n_shot)]
    header += [f"query{q}" for q in range(n_query)]
    rows = [data.draw(st.tuples(*[ids] * len(header))) for _ in episodes]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["episode_id", *header])
            writer.writerows([e, *row] for e, row in zip(episodes, rows, strict=True))
        cases = read_testcases(path)
    assert cases.episode_ids == episodes
    assert cases.support.shape == (len(episodes), n_way, n_shot)
    read = [[*s.flat, *q] for s, q in zip(cases.support, cases.query, strict=True)]
    assert read == [list(row) for row in rows]
