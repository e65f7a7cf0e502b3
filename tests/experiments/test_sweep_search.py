"""Sampled sweeps: the same file gives the same settings, and what is there is used again."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines import jobs
from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.experiments.sweeps.plan import Range, _corners, read_plan
from fewshot_lib.experiments.sweeps.search import _distribution, _new_study, _value, search

pytestmark = pytest.mark.usefixtures("project")

LR = {"low": 1e-4, "high": 1e-1, "log": True}


def changes(path: Path) -> list[dict]:
    settings, failure = search(read_plan(path), 8)
    assert failure is None
    return [setting.changes for setting in settings]


def test_samples_lie_in_their_ranges(write):
    ranges = {"lr": LR, "n_shot": {"low": 1, "high": 3}, "augment": [[], ["flip"]]}
    found = changes(write(sample=ranges, trials=5))
    assert len(found) == 5
    for one in found:
        assert 1e-4 <= one["lr"] <= 1e-1
        assert one["n_shot"] in (1, 2, 3) and isinstance(one["n_shot"], int)
        assert one["augment"] in ([], ["flip"])
    assert len({one["lr"] for one in found}) == 5


def test_the_same_file_samples_the_same_and_more_trials_go_on(write, monkeypatch):
    sample = {"lr": LR, "distance_normalise": [False, True]}
    first = changes(write(sample=sample, trials=4, batch=2))
    trained = []

    real = jobs.run
    monkeypatch.setattr(jobs, "run", lambda spec: trained.append(spec.lr) or real(spec))
    more = changes(write(sample=sample, trials=6, batch=2))
    assert more[:4] == first
    assert trained == [one["lr"] for one in more[4:]]


def test_what_is_tried_next_depends_on_what_came_out(write, monkeypatch):
    """With a score that rises with lr, later trials have larger ones than the first, random ten."""
    monkeypatch.setattr(
        "fewshot_lib.experiments.sweeps.search.train", lambda settings, n_episodes: None
    )
    monkeypatch.setattr(
        "fewshot_lib.experiments.sweeps.search.finished_runs",
        lambda one: SeedRuns((Scored(one.specs[0].lr),)),
    )
    lrs = [
        one["lr"] for one in changes(write(sample={"lr": {"low": 0.0001, "high": 1.0}}, trials=40))
    ]
    assert sum(lrs[-10:]) / 10 > sum(lrs[:10]) / 10 + 0.2


class Scored:
    def __init__(self, score: float):
        self.result = {"val_accuracy": score}


def test_sampled_settings_are_ranked_with_their_seeds(write, project, sweep):
    path = write(sample={"lr": LR}, trials=3, seeds=[0, 1])
    result = sweep(path)
    assert result.exit_code == 0, result.output
    page = Path(result.stdout.splitlines()[-1])
    table = pd.read_csv(page.parent / "settings.csv")
    assert table["accuracy"].is_monotonic_decreasing
    assert table["seeds"].tolist() == [2, 2, 2]
    text = BeautifulSoup(page.read_text(), "html.parser").get_text()
    assert "3 trials, sampled by Optuna: lr from 0.0001 to 0.1, logarithmic." in text


def test_the_same_choice_twice_is_ranked_once(write):
    found = changes(write(sample={"distance_normalise": [False, True]}, trials=6))
    assert sorted(one["distance_normalise"] for one in found) == [False, True]


def test_a_setting_that_fails_is_left_out_and_the_rest_goes_on(write, sweep):
    result = sweep(write(sample={"lr": [1e-3, 1e30]}, trials=6, batch=3))
    assert result.exit_code == 2
    assert "is not finite" in result.stderr
    page = Path(result.stdout.splitlines()[-1])
    assert pd.read_csv(page.parent / "settings.csv")["seeds"].tolist() == [1]
    assert "lr 1e+30" in BeautifulSoup(page.read_text(), "html.parser").find("p").text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sample": {"lr": LR}}, r"trial.yaml: sample: and trials: .* go together"),
        ({"trials": 3}, r"trial.yaml: sample: and trials: .* go together"),
        ({"sample": {"lr": LR}, "grid": {"n_shot": [1]}, "trials": 3}, "only one of grid, list"),
        ({"sample": {"lr": 0.1}, "trials": 3}, r"sample: lr: expected a list of choices, or {low"),
        ({"sample": {"lr": []}, "trials": 3}, r"sample: lr: expected a list of choices"),
        ({"sample": {"lr": [0.1, 0.1]}, "trials": 3}, r"trial.yaml: lr has a value twice"),
        ({"sample": {"lr": {"low": 1.0}}, "trials": 3}, r"sample: lr: high.*required"),
        ({"sample": {"lr": {"low": 2, "high": 1}}, "trials": 3}, r"low must be less than high"),
        ({"sample": {"lr": {"low": 0.0, "high": 1.0, "log": True}}, "trials": 3}, "begin above 0"),
        ({"sample": {"lr": LR | {"step": 0.1}}, "trials": 3}, r"give log or step, not both"),
        (
            {"sample": {"lr": LR | {"lag": True}}, "trials": 3},
            r"sample: lr: unknown parameter 'lag'",
        ),
        ({"sample": {"rl": LR}, "trials": 3}, r"setting rl=0.0001: unknown parameter 'rl'"),
        ({"sample": {"n_shot": {"low": 0, "high": 3}}, "trials": 3}, r"setting n_shot=0: n_shot=0"),
        ({"sample": {"ema": {"low": 0.5, "high": 1.0}}, "trials": 3}, r"setting ema=1.0: ema=1.0"),
        ({"sample": {"lr": LR}, "trials": 0}, r"trials=0"),
        ({"sample": {"seed": [1, 2]}, "trials": 3, "seeds": [1]}, r"give seeds or vary seed"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_before_anything_is_trained(write, values, message):
    with pytest.raises(InputError, match=message) as caught:
        read_plan(write(**values))
    assert str(caught.value).startswith("trial.yaml")
    assert "\n" not in str(caught.value)


def test_without_optuna_its_command_is_told_and_grids_go_on(write, monkeypatch, sweep):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = sweep(write(sample={"lr": LR}, trials=3))
    assert result.exit_code == 2
    assert result.output == (
        "fewshot: trial.yaml: sample: needs Optuna: pip install 'fewshot-report[search]'\n"
    )
    assert len(read_plan(write(grid={"lr": [0.1]})).settings) == 1


@pytest.mark.parametrize(
    ("one", "found", "expected"),
    [
        (Range(low=1e-4, high=1e-1), 0.00123456, 0.001235),
        (Range(low=0.12344, high=1.0), 0.123441, 0.12344),
        (Range(low=0.0, high=1.0, step=0.05), 0.15000000000000002, 0.15),
        (Range(low=1, high=9), 4, 4),
        (["a", None, [1]], 2, [1]),
    ],
)
def test_values_are_short_and_stay_inside(one, found, expected):
    assert _value(one, found) == expected


def test_whole_ends_give_whole_numbers_in_steps():
    study = _new_study()
    spaces = {
        "n": _distribution(Range(low=2, high=10, step=4)),
        "x": _distribution(Range(low=2, high=10.0)),
    }
    asked = [study.ask(spaces).params for _ in range(12)]
    assert {one["n"] for one in asked} == {2, 6, 10}
    assert not all(one["x"].is_integer() for one in asked)


def test_each_end_is_tried_with_the_others_at_their_first():
    found = _corners({"a": Range(low=1, high=5), "b": ["x", "y"]})
    assert found == [
        {"a": 1, "b": "x"},
        {"a": 5, "b": "x"},
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
    ]
