"""``--run``: the best of a report, of one of its problems, a folder, a file."""

import json
from pathlib import Path

import pytest

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import STATUS, find_network
from fewshot_lib.experiments.ledger import COMPLETE, FAILED, Status
from fewshot_lib.experiments.lookup import weights_file
from fewshot_lib.experiments.runs import RESULT, run
from fewshot_lib.learning.checkpoints import WEIGHTS
from fewshot_lib.spec.problems import PROBLEMS


def find(run: str | None = "best", profile: str | None = None, problem: int | None = None) -> Path:
    """The weights file that a command with these options uses."""
    return weights_file(find_network(run, profile, problem), problem)


@pytest.fixture
def params(make_spec) -> dict:
    """The parameters of three problems whose runs take a fraction of a second."""
    values = make_spec(epochs=1).model_dump()
    own = {"problem1": {}, "problem2": {"n_aug": 2, "n_aug_test": 2}, "problem3": {"n_aug": 2}}
    return {
        name: PROBLEMS[name].check(
            {k: v for k, v in values.items() if k in PROBLEMS[name].model_fields} | changes
        )
        for name, changes in own.items()
    }


def write_report(project: Path, params: dict, profile: str = "quick", **states: str) -> Path:
    """A report whose notebooks ended like this, ``complete`` by default."""
    folder = project / "reports" / profile
    status = Status(folder, profile, {})
    for name, problem in params.items():
        status.start(name, parameters=problem.model_dump())
        if (state := states.get(name, COMPLETE)) != "running":
            status.finish(name, state)
    return folder


@pytest.fixture
def runs(project, params) -> dict:
    """A complete report: the main run of every problem, their accuracies set by hand."""
    write_report(project, params)
    runs = {}
    for accuracy, (name, problem) in zip((0.4, 0.6, 0.5), params.items(), strict=True):
        runs[name] = run(problem.main_spec())
        set_accuracy(runs[name].folder, accuracy)
    return runs


def set_accuracy(folder: Path, accuracy: float) -> None:
    result = json.loads((folder / RESULT).read_text()) | {"val_accuracy": accuracy}
    (folder / RESULT).write_text(json.dumps(result))


def test_best_is_the_run_with_the_highest_validation_accuracy(runs):
    assert find() == runs["problem2"].folder / WEIGHTS
    set_accuracy(runs["problem1"].folder, 0.7)
    assert find("best") == runs["problem1"].folder / WEIGHTS


@pytest.mark.parametrize("problem", [1, 2, 3])
def test_the_best_of_one_problem_is_its_main_run(runs, problem):
    path = find("best", "quick", problem)
    assert path == runs[f"problem{problem}"].folder / WEIGHTS
    assert path.is_file()


def test_afhn_takes_part_in_the_whole_report_but_is_not_problem_3(runs, params):
    afhn = run(params["problem3"].afhn_spec())
    set_accuracy(afhn.folder, 0.9)
    assert find() == afhn.folder / WEIGHTS
    assert find(problem=3) == runs["problem3"].folder / WEIGHTS


def test_profiles_are_told_apart(runs, project, params):
    write_report(project, {"problem1": params["problem1"]}, "mine")
    assert find(profile="mine") == runs["problem1"].folder / WEIGHTS
    with pytest.raises(InputError, match="Problem 2 of report 'mine' is not finished"):
        find("best", "mine", 2)


def test_nothing_is_trained_to_find_the_best(project, params):
    write_report(project, params)
    with pytest.raises(InputError) as caught:
        find("best")
    assert str(caught.value) == "report 'quick' is not finished: fewshot report quick"
    assert not list((project / "reports").rglob(WEIGHTS))


@pytest.mark.parametrize("state", ["running", FAILED])
def test_an_unfinished_problem_does_not_count(runs, project, params, state):
    write_report(project, params, problem2=state)
    assert find() == runs["problem3"].folder / WEIGHTS
    with pytest.raises(InputError) as caught:
        find("best", "quick", 2)
    assert str(caught.value) == (
        "Problem 2 of report 'quick' is not finished: fewshot report quick --only problem2"
    )


def test_an_unfinished_report_is_named_with_the_command_that_finishes_it(project, params):
    write_report(project, params, **dict.fromkeys(params, "running"))
    with pytest.raises(InputError, match=r"^report 'quick' is not finished: fewshot report quick$"):
        find("best")


def test_an_unknown_report_suggests_a_near_one_or_to_make_one(project, params):
    with pytest.raises(InputError) as caught:
        find("best")
    assert str(caught.value) == (
        "there is no run or report 'quick' (make a report: fewshot report)"
    )
    write_report(project, params, "laptop")
    with pytest.raises(InputError) as caught:
        find("best", "latpop")
    assert str(caught.value) == "there is no run or report 'latpop' (did you mean 'laptop'?)"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"notebooks": []}',
        '{"notebooks": {"problem1": {"state": "complete"}}}',
        '{"notebooks": {"problem1": "complete"}}',
        "\\xff",
    ],
)
def test_a_damaged_report_is_named(project, text):
    path = project / "reports" / "quick" / STATUS
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff" if text == "\\xff" else text.encode())
    with pytest.raises(InputError) as caught:
        find("best")
    assert str(caught.value) == f"{path} is damaged: make the report again"


def test_a_folder_stands_for_the_weights_in_it(tmp_path):
    assert find(str(tmp_path)) == tmp_path / WEIGHTS


def test_a_file_stands_for_itself(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.touch()
    assert find(str(path), "no such profile", 3) == path


def test_a_tilde_is_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    assert find("~/run") == tmp_path / "run" / WEIGHTS
