"""A report's accuracies computed anew: nothing differs, and what was changed is found."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fewshot_lib.cli.main import main
from fewshot_lib.experiments.folders import RESULT, STATUS
from fewshot_lib.experiments.ledger import Results, Status
from fewshot_lib.experiments.runs import run
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.checkpoints import WEIGHTS


@pytest.fixture
def report(make_spec, method, project) -> Path:
    """A report's folder with four accuracies of one run."""
    folder = project / "reports" / "tiny"
    Status(folder, "tiny", {}).save()
    with Results(folder).collected("problem1"):
        made = run(make_spec(**method, epochs=1))
        made.evaluate(20)
        made.evaluate(20)  # told once
        made.evaluate(20, n_shot=3)
        made.evaluate(10, split="train")
        made.evaluate(20, calibrated=True)
    return folder


def judged_run(report: Path) -> Path:
    """Folder of the run that the report tells of; the one it began with may lie beside it."""
    (name,) = {e["run"] for e in json.loads((report / RESULT).read_text())["problem1"]}
    return runs_folder() / name


def verify(report: str):
    return CliRunner().invoke(main, ["verify", report])


def test_an_untouched_report_is_confirmed_without_what_was_kept(report):
    for path in runs_folder().rglob("*.npy"):
        path.write_bytes(b"no longer readable")
    for name in ("tiny", str(report)):
        result = verify(name)
        assert result.exit_code == 0
        assert result.stdout == "4 accuracies computed anew, 0 differ\n"


def test_an_accuracy_that_was_changed_is_found(report):
    path = report / RESULT
    told = json.loads(path.read_text())
    told["problem1"][1]["mean"] += 0.0002
    path.write_text(json.dumps(told))
    result = verify("tiny")
    assert result.exit_code == 1
    first, last = result.stdout.splitlines()
    assert "problem1, run " in first and "val 3-shot" in first
    assert "the report says" in first
    assert last == "4 accuracies computed anew, 1 differ"


def test_other_weights_are_found(report):
    path = judged_run(report) / WEIGHTS
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    weights = load_file(path)
    next(iter(weights.values())).add_(1)
    save_file(weights, path, metadata=about)
    result = verify("tiny")
    assert result.exit_code == 1
    assert result.stdout.count("the weights have changed") == 4


def test_a_run_that_is_gone_is_named(report):
    folder = judged_run(report)
    folder.rename(folder.with_name("elsewhere"))
    result = verify("tiny")
    assert result.exit_code == 1
    assert result.stdout == (
        "0 accuracies computed anew, 0 differ\n"
        f"4 not computed, the weights of their runs are not there: {folder.name}\n"
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"problem1": [{}]}', '{"problem1": 3}'])
def test_a_damaged_record_is_named(project, text):
    (project / STATUS).touch()
    (project / RESULT).write_text(text)
    result = verify(str(project))
    assert result.exit_code == 2
    assert result.stderr.endswith("is missing or damaged: make the report again\n")


def test_a_report_that_is_not_there_is_named(project):
    result = verify("quikc")
    assert result.exit_code == 2
    assert "there is no run or report 'quikc'" in result.stderr
