"""A report's headline is kept and shown in README, with the runs it comes from."""

import json
from pathlib import Path

import pytest

from fewshot_lib.experiments.folders import HEADLINE
from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.experiments.runs import run
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook.published import TEST_CASES
from fewshot_lib.report import headline

ROOT = Path(__file__).parents[2]
RECORDED = sorted(ROOT.glob(f"reports/reference/*/{HEADLINE}"))


@pytest.fixture
def report(make_spec, tmp_path, monkeypatch):
    """The folder of a report whose headline is kept, and that headline."""
    folder = tmp_path / "reports" / "tiny"
    folder.mkdir(parents=True)
    monkeypatch.setenv("FEWSHOT_REPORT", str(folder))
    monkeypatch.setenv("FEWSHOT_ROOT", str(tmp_path))
    runs = {"Problem 1": SeedRuns((run(make_spec(epochs=1)),))}
    judged = {name: r.evaluate(30).accuracy for name, r in runs.items()}
    headline.keep(runs, judged, {}, "val")
    return folder, runs, judged


def test_accuracies_are_kept_with_their_runs(report):
    folder, runs, judged = report
    (entry,) = json.loads((folder / HEADLINE).read_text())["val"]
    assert entry["runs"] == [runs["Problem 1"].first.folder.name]
    assert tuple(entry["accuracy"]) == tuple(judged["Problem 1"])
    assert entry["against Problem 1"] is None


def test_a_second_split_joins_the_first(report):
    folder, runs, judged = report
    headline.keep(runs, judged, {"Problem 1": Interval(0.01, 0.02, 30)}, "test")
    kept = json.loads((folder / HEADLINE).read_text())
    assert kept["test"][0]["against Problem 1"] == [0.01, 0.02, 30]
    assert kept["val"][0]["against Problem 1"] is None


def test_the_table_shows_test_classes_where_there_are_any(report, tmp_path):
    folder, runs, judged = report
    target = tmp_path / "reports" / "reference" / "tiny"
    target.mkdir(parents=True)
    for split, words in (("val", "validation, 3-way"), ("test", "test, 3-way")):
        headline.keep(runs, judged, {}, split)
        (target / HEADLINE).write_bytes((folder / HEADLINE).read_bytes())
        (line,) = headline._rows()
        assert words in line


def test_the_original_stands_beside_the_course_s_test_cases(report, tmp_path):
    folder, runs, judged = report
    target = tmp_path / "reports" / "reference" / "tiny"
    target.mkdir(parents=True)
    headline.keep(runs, judged, {}, TEST_CASES)
    kept = json.loads((folder / HEADLINE).read_text())
    kept |= {"data": "mini_imagenet, 84 px", "protocol": "5-way 1-shot"}
    (target / HEADLINE).write_text(json.dumps(kept))
    on_episodes, on_cases = (line.split(" | ") for line in headline._rows())
    assert (on_episodes[2], on_cases[2]) == ("–", "47.64")
    assert "the course's test cases" in on_cases[0]


def test_readme_s_table_is_that_of_the_recorded_reports():
    text = (ROOT / "reports" / "reference" / "README.md").read_text("utf-8")
    assert headline.updated(text) == text


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_recorded_numbers_are_those_of_the_report_s_runs(path):
    kept = json.loads(path.read_text("utf-8"))
    result = json.loads((path.parent / "result.json").read_text("utf-8"))
    found = {
        (e["run"], e.get("split", TEST_CASES), e["n"], e.get("calibrated", False)): e["mean"]
        for e in result["summary"]
    }
    for split in {"val", "test", TEST_CASES} & kept.keys():
        for entry in kept[split]:
            mean, _, n = entry["accuracy"]
            calibrated = "calibrated" in entry["method"]
            seeds = [found[name, split, n, calibrated] for name in entry["runs"]]
            assert mean == pytest.approx(sum(seeds) / len(seeds), abs=1e-12)
