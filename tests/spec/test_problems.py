"""Which runs a notebook's parameters stand for."""

import pytest

from fewshot_lib.errors import InputError
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import NOTEBOOKS, PROBLEMS, Problem1, Problem2, Problem3


def test_every_problem_has_a_notebook_and_valid_defaults():
    assert set(NOTEBOOKS) == {*PROBLEMS, "summary"}
    for params in PROBLEMS.values():
        assert isinstance(params.check({}).main_spec(), Spec)


def test_the_main_run_is_the_training_parameters():
    params = Problem1.check({"n_way": 7, "lr": 0.5, "epochs": 3, "shots": [2]})
    assert params.main_spec() == Spec.check({"n_way": 7, "lr": 0.5, "epochs": 3})


def test_distances_are_compared_all_else_equal():
    params = Problem1.check({"n_way_compare": 6, "n_query_compare": 4, "episodes_compare": 9})
    specs = params.distance_specs()
    assert list(specs) == ["euclidean", "cosine", "parametric"]
    for name, spec in specs.items():
        assert (spec.distance, spec.n_way, spec.n_query, spec.episodes) == (name, 6, 4, 9)
    rest = {s.model_copy(update={"distance": None}).model_dump_json() for s in specs.values()}
    assert len(rest) == 1


def test_the_cosine_scale_is_the_cosine_s_own():
    specs = Problem1.check({"cosine_scale": 10.0}).distance_specs()
    assert {name: s.distance_scale for name, s in specs.items()} == {
        "euclidean": None,
        "cosine": 10.0,
        "parametric": None,
    }


def test_shots_are_those_of_training_and_of_the_test():
    specs = Problem1.check({"n_shot_test": 1}).shot_specs()
    assert {k: (s.n_shot, s.n_shot_test, s.n_query) for k, s in specs.items()} == {
        1: (1, 1, 1),
        5: (5, 5, 5),
        10: (10, 10, 10),
    }


def test_the_one_shot_run_is_shared_by_both_tables():
    params = Problem1.check({})
    assert params.shot_specs()[1] == params.distance_specs()["euclidean"]


def test_runs_are_shared_between_the_problems():
    first, second, third = Problem1.check({}), Problem2.check({}), Problem3.check({"gan_lr": 0.5})
    assert second.spec() == first.main_spec() == third.specs()["Problem 1"]
    assert third.specs()["Problem 2"] == second.main_spec()
    assert third.specs()["Problem 3"] == third.main_spec()
    assert second.aug_specs()[0] == first.distance_specs()["euclidean"]


def test_every_number_of_hallucinated_features_is_trained_and_tested_alike():
    specs = Problem2.check({"n_augs": [0, 3]}).aug_specs()
    assert {key: (s.method, s.n_aug, s.n_aug_test) for key, s in specs.items()} == {
        0: ("prototypical", 0, 0),
        3: ("hallucination", 3, 3),
    }


def test_every_setting_is_run_with_every_seed_and_nothing_else_changed():
    params = Problem2.check({"n_augs": [0, 3], "n_seeds": 2, "seed": 5})
    seeded = params.seed_specs(params.aug_specs())
    assert {key: spec.seed for key, spec in seeded.items()} == {
        (0, 5): 5,
        (0, 6): 6,
        (3, 5): 5,
        (3, 6): 6,
    }
    for (m, seed), spec in seeded.items():
        assert spec == params.aug_specs()[m].model_copy(update={"seed": seed})


def test_one_seed_is_the_run_itself():
    params = Problem1.check({"seed": 3})
    assert params.seed_specs({"main": params.main_spec()}) == {("main", 3): params.main_spec()}


def test_the_runs_before_the_improved_one_may_be_longer():
    specs = Problem3.check({"epochs": 2, "epochs_before": 7, "afhn_epochs": 3}).specs()
    assert [spec.epochs for spec in specs.values()] == [7, 7, 2, 3]
    assert specs["AFHN"].start(6, 100) == specs["Problem 1"]


def test_compared_settings_may_have_fewer_seeds():
    params = Problem1.check({"n_seeds": 3, "n_seeds_compare": 1})
    assert len(params.seed_specs({"main": params.main_spec()})) == 3
    assert len(params.seed_specs(params.distance_specs(), params.compare_seeds)) == 3  # distances
    assert Problem1.check({"n_seeds": 3}).compare_seeds == 3


def test_queries_are_compared_both_ways():
    plain, mixed = Problem2.check({"n_augs": [0, 5], "n_aug": 3}).query_specs().values()
    assert (plain.mix_queries, mixed.mix_queries) == (False, True)
    assert plain.n_aug == mixed.n_aug_test == 5


def test_problem_2_s_fakes_are_its_own():
    specs = Problem3.check({"n_aug": 7}).specs()
    assert [spec.n_aug for spec in specs.values()] == [0, 7, 0, 0]


def test_the_number_of_test_episodes_is_no_part_of_a_run():
    few, many = Problem1.check({"episodes_test": 10}), Problem1.check({"episodes_test": 600})
    assert few.main_spec() == many.main_spec()


@pytest.mark.parametrize(
    "wrong",
    [
        {"shots": [0]},
        {"shots": [True]},
        {"distances": ["manhattan"]},
        {"cosine_scale": 0},
        {"shot": [1]},
    ],
)
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Problem1.check(wrong)
