"""Specs: wrong input is named in one line, equal runs have equal names."""

import pytest

from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import DataParams, Spec, TrainingParams

# Every field counts for this method.
BASE = {"data_dir": "x", "method": "adversarial"}
# For each field a valid value that differs from the default, for the method from BASE.
CHANGES = {
    "method": "hallucination",
    "source": "mini_imagenet",
    "image_size": 84,
    "images_per_class": 20,
    "n_way": 7,
    "n_shot": 5,
    "n_query": 3,
    "distance": "cosine",
    "distance_scale": 10.0,
    "distance_normalise": True,
    "init": "kaiming",
    "epochs": 2,
    "episodes": 50,
    "optimizer": "adam",
    "lr": 0.1,
    "momentum": 0.5,
    "weight_decay": 0.0,
    "lr_schedule": "cosine",
    "lr_step": 5,
    "lr_gamma": 0.1,
    "lr_warmup": 1,
    "episodes_per_step": 2,
    "ema": 0.5,
    "pretrain_epochs": 1,
    "pretrain_lr": 0.1,
    "pretrain_head": "cosine",
    "augment": ["flip"],
    "seed": 1,
    "n_way_test": 4,
    "n_shot_test": 5,
    "n_query_test": 5,
    "episodes_val": 100,
    "flip_test": True,
    "precision": "bfloat16",
    "channels_last": True,
    "n_aug": 2,
    "n_aug_test": 3,
    "n_classes": 64,
    "batches": "apart",
    "mix_queries": True,
    "residual": True,
    "hallucinator_lr": 0.1,
    "variant": "afhn",
    "gan_lr": 0.1,
    "fake_weight": 0.25,
    "extractor_epochs": 7,
}
OF_SOURCES = {
    "rotations": ("omniglot", False),
    "val_classes": ("folder", ["a", "b"]),
    "test_classes": ("folder", 0.5),
}
FREE = {"data_dir", "download"}  # where the images lie is no part of what a run is


def test_every_field_is_either_varied_here_or_known_not_to_count():
    assert set(CHANGES) | set(OF_SOURCES) | FREE == set(Spec.model_fields)


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_changes_the_identity(field):
    needed = {
        "n_aug": {"method": "hallucination", "n_aug": 1},
        "mix_queries": {"method": "hallucination"},
        "residual": {"method": "hallucination"},
        "hallucinator_lr": {"method": "hallucination"},
        "n_classes": {"method": "classification", "n_classes": 5},
        "fake_weight": {"variant": "original"},
        "extractor_epochs": {"variant": "afhn"},
    }
    base = BASE | needed.get(field, {})
    base, changed = Spec.check(base), Spec.check(base | {field: CHANGES[field]})
    assert changed.identity("data") != base.identity("data")


@pytest.mark.parametrize("field", OF_SOURCES)
def test_what_only_one_source_uses_changes_its_identity_and_is_refused_elsewhere(field):
    source, value = OF_SOURCES[field]
    base = {"source": source, "data_dir": "here"}
    changed = Spec.check(base | {field: value})
    assert changed.identity("data") != Spec.check(base).identity("data")
    with pytest.raises(InputError, match=f"^source 'glyphs' does not use {field}: leave it out"):
        Spec.check({field: value})


def test_a_parameter_of_two_types_names_both_in_its_error():
    with pytest.raises(InputError, match=r"^val_classes=1\.0: .*list or .*less than 1$"):
        Spec.check({"source": "folder", "data_dir": "here", "val_classes": 1.0})


def test_the_data_s_content_changes_the_identity_and_its_folder_does_not():
    here, there = Spec.check({"data_dir": "here"}), Spec.check({"data_dir": "there"})
    assert here.identity("data") == there.identity("data")
    assert here.identity("data") != here.identity("other data")


def test_spelling_out_defaults_or_the_implied_does_not_change_the_identity():
    short = Spec.check({"n_shot": 5})
    spelled = Spec.check({"n_shot": 5, "n_query": 5, "n_shot_test": 5, "n_way": 5, "lr": 0.001})
    assert short.identity("data") == spelled.identity("data")
    assert Spec.check(short.model_dump()).identity("data") == short.identity("data")


def test_an_integer_for_a_number_is_the_same_number():
    assert Spec.check({"lr": 1}).identity("data") == Spec.check({"lr": 1.0}).identity("data")


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({}, (3, 3)),
        ({"n_query": None, "n_shot_test": None}, (3, 3)),
        ({"n_query": 15, "n_shot_test": 1}, (15, 1)),
    ],
)
def test_queries_and_test_shots_are_filled_with_the_shots_unless_given(given, filled):
    spec = Spec.check({"n_shot": 3} | given)
    assert (spec.n_query, spec.n_shot_test) == filled


def test_hallucinated_features_in_the_test_are_those_of_training_unless_given():
    base = {"method": "hallucination", "n_aug": 2}
    assert Spec.check(base).n_aug_test == 2
    assert Spec.check(base | {"n_aug_test": 0}).n_aug_test == 0


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("prototypical", "n_aug", 1),
        ("prototypical", "n_aug_test", 1),
        ("prototypical", "gan_lr", 0.1),
        ("adversarial", "hallucinator_lr", 0.1),
        ("hallucination", "variant", "afhn"),
        ("hallucination", "fake_weight", 0.1),
        ("adversarial", "n_aug", 1),
        ("adversarial", "mix_queries", True),
        ("classification", "batches", "apart"),
        ("prototypical", "extractor_epochs", 1),
    ],
)
def test_a_method_refuses_what_it_does_not_use(method, name, value):
    with pytest.raises(InputError, match=f"^method '{method}' does not use {name}: leave it out"):
        Spec.check({"method": method, name: value})


@pytest.mark.parametrize(
    ("variant", "name"), [("original", "extractor_epochs"), ("afhn", "fake_weight")]
)
def test_a_variant_refuses_what_it_does_not_use(variant, name):
    with pytest.raises(InputError, match=f"^variant '{variant}' does not use {name}: leave it out"):
        Spec.check({"method": "adversarial", "variant": variant, name: 1})


def test_afhn_starts_from_problem_1_and_a_pretrained_run_from_its_classifier():
    recipe = {"n_way": 7, "distance": "cosine", "epochs": 3, "pretrain_epochs": 4, "seed": 5}
    first = Spec.check(recipe)
    afhn = {"method": "adversarial", "variant": "afhn", "gan_lr": 0.5, "n_aug_test": 9}
    assert Spec.check(recipe | afhn).start(6, 100) == first
    longer = Spec.check(recipe | afhn | {"epochs": 9, "extractor_epochs": 3})
    assert longer.start(6, 100) == first
    assert first.start(6, 100) == first.pretraining(6, 100)
    assert first.pretraining(6, 100).start(6, 100) is None


RECIPE = {
    **{"n_way": 10, "n_shot": 5, "n_query": 3, "epochs": 10, "episodes": 50, "lr_step": 6},
    **{"distance_scale": 10.0, "distance_normalise": True, "init": "kaiming", "optimizer": "adam"},
    **{"lr": 2e-3, "weight_decay": 0.0, "augment": ["flip", "crop"]},
}
NAMES = {  # made when the project had its first users; a run that is trained is found by them
    "8a33ee9bee54": {},
    "a3221137fa3f": {"method": "hallucination", "n_aug": 3},
    "24a2908c5926": {"method": "hallucination", "n_aug": 3, "n_aug_test": 1, "ema": 0.5}
    | {"residual": True, "hallucinator_lr": 0.1},
    "d506d35757a5": {"method": "adversarial"},
    "9f64425a9c23": {"method": "adversarial", "variant": "afhn", "extractor_epochs": 2},
    "ff71c7514a52": {"method": "classification", "n_classes": 6},
    "b4e3e4bff765": RECIPE,
    "861067961d66": RECIPE
    | {"method": "hallucination", "n_aug": 200, "residual": True}
    | {"hallucinator_lr": 1e-3},
    "da7b188ba499": RECIPE | {"method": "adversarial"},
    "dc082adfd322": RECIPE | {"method": "adversarial", "variant": "afhn", "gan_lr": 1e-3},
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_runs_stay(name):
    assert Spec.check(NAMES[name]).identity("data") == name


def test_the_name_of_a_pretraining_stays():
    given = {"pretrain_epochs": 30, "pretrain_head": "cosine", "pretrain_lr": 1e-3}
    classifier = Spec.check(RECIPE | given).pretraining(64, 38400)
    assert classifier.identity("data") == "f6bb2321ea01"


def test_a_run_of_an_earlier_version_is_read_unless_it_used_what_is_gone():
    gone = {"gan_weight": 0.1, "compile": None}
    earlier = Spec.check({"method": "adversarial"}).model_dump() | gone
    assert Spec.from_stored(earlier) == Spec.check({"method": "adversarial"})
    with pytest.raises(InputError, match=r"^unknown parameter 'gan_weight'"):
        Spec.from_stored(earlier | {"gan_weight": 0.2})
    with pytest.raises(InputError, match=r"^unknown parameter 'gan_weight'"):
        Spec.check(earlier)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("n_shots", r"\(did you mean 'n_shot'\?\)$"),
        ("zzz", r"\(known: augment, batches, channels_last, "),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_nearest_name_or_all(name, known):
    with pytest.raises(InputError, match=rf"^unknown parameter '{name}' {known}"):
        Spec.check({name: 5})


WRONG = [
    ("n_way", True),
    ("n_way", 1),
    ("n_way", 5.0),
    ("n_way", "5.0"),
    ("n_shot", 0),
    ("n_shot", True),
    ("n_shot", None),
    ("seed", False),
    ("seed", -1),
    ("lr", True),
    ("lr", "fast"),
    ("lr", "true"),
    ("lr", ""),
    ("augment", "[flip"),
    ("data_dir", 7),
    ("lr", 0),
    ("lr", float("inf")),
    ("lr", float("nan")),
    ("momentum", 1.5),
    ("momentum", float("nan")),
    ("weight_decay", -0.1),
    ("lr_gamma", 0),
    ("distance_normalise", 1),
    ("distance", "manhattan"),
    ("augment", "flip"),
    ("augment", ["flop"]),
    ("image_size", 8),
    ("images_per_class", 1),
    ("source", "cifar"),
    ("optimizer", None),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_wrong_values_are_named(field, value):
    with pytest.raises(InputError) as caught:
        Spec.check({field: value})
    assert str(caught.value).startswith(f"{field}=")
    assert "\n" not in str(caught.value)


def test_a_source_with_files_needs_their_folder():
    with pytest.raises(InputError, match=r"^source 'mini_imagenet' needs its folder: set data_dir"):
        DataParams.check({"source": "mini_imagenet"})


def test_specs_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Spec.check({}).n_way = 3


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("lr", "2e-3", 0.002),
        ("n_way", "7", 7),
        ("augment", "[flip, crop]", ["flip", "crop"]),
        ("distance_normalise", "true", True),
        ("images_per_class", "None", None),
        ("data_dir", "12", "12"),
    ],
)
def test_text_stands_for_what_it_says(field, text, value):
    assert getattr(Spec.check({field: text}), field) == value


def test_all_that_is_wrong_is_named_in_one_line():
    with pytest.raises(InputError) as caught:
        Spec.check({"epoch": 3, "n_way": 1, "lr": "fast"})
    assert str(caught.value).count("; ") == 2
    with pytest.raises(InputError, match=r"set data_dir; .* does not use rotations: .*lower it$"):
        Spec.check({"source": "mini_imagenet", "rotations": False, "lr_warmup": 3})


def test_a_notebook_s_namespace_gives_its_plain_names():
    namespace = {"n_way": 7, "torch": pytest, "__name__": "x", "Spec": Spec, "N": 3, "lr": 0.5}
    params = TrainingParams.from_namespace(namespace | {"exit": exit, "_": 3})
    assert (params.n_way, params.lr, params.n_shot) == (7, 0.5, 1)
    with pytest.raises(InputError, match=r"^unknown parameter 'n_ways' \(did you mean 'n_way'"):
        TrainingParams.from_namespace(namespace | {"n_ways": 3})


def test_a_rise_of_the_learning_rate_ends_with_the_training_at_the_latest():
    with pytest.raises(InputError, match=r"lr_warmup=3 .* epochs=2: lower it"):
        Spec.check({"lr_warmup": 3, "epochs": 2})
    spec = Spec.check({"lr_warmup": 3, "epochs": 3, "pretrain_epochs": 2})
    assert spec.pretraining(5, 100).lr_warmup == 2


@pytest.mark.parametrize(
    ("head", "distance", "scale"), [("linear", "euclidean", None), ("cosine", "cosine", 10.0)]
)
def test_a_classifier_is_judged_by_what_its_head_scores_by(head, distance, scale):
    spec = Spec.check({"pretrain_epochs": 1, "pretrain_head": head, "distance": "parametric"})
    classifier = spec.pretraining(5, 100)
    assert (classifier.distance, classifier.distance_scale) == (distance, scale)
    assert classifier.pretrain_head == "linear"  # of a run that pretrains nothing
