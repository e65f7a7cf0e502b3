"""Sweeps: settings from a file, a ranking that tells how sure it is, tables, a page."""

import warnings
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.matrix import SeedEvaluations
from fewshot_lib.experiments.runs import run
from fewshot_lib.experiments.sweeps import _cell, read_settings
from fewshot_lib.report.sweep_page import write_sweep

pytestmark = pytest.mark.usefixtures("project")


def test_a_grid_is_every_combination(write):
    path = write(grid={"lr": [0.1, 0.2], "n_shot": [1, 5, 2]}, seeds=[3, 4])
    settings = read_settings(path)
    assert [one.changes for one in settings] == [
        {"lr": lr, "n_shot": k} for lr in (0.1, 0.2) for k in (1, 5, 2)
    ]
    assert [spec.seed for spec in settings[0].specs] == [3, 4]
    assert [(one.specs[0].lr, one.specs[0].n_shot) for one in settings[:2]] == [(0.1, 1), (0.1, 5)]
    assert settings[1].specs[0].n_query == 5  # as many as shots, of this setting


def test_a_list_is_taken_as_it_is(write):
    cases = [{"lr": 0.1}, {"lr": 0.2, "distance": "cosine"}]
    settings = read_settings(write(list=cases))
    assert [one.changes for one in settings] == cases
    assert [len(one.specs) for one in settings] == [1, 1]


def test_a_step_changes_the_one_before_it(write, sweep):
    path = write(steps={"a": {"lr": 0.1}, "b": {"n_shot": 2}, "c": {"lr": 0.2}})
    settings = read_settings(path)
    assert [one.name for one in settings] == ["a", "b", "c"]
    specs = [one.specs[0] for one in settings]
    assert [(spec.lr, spec.n_shot) for spec in specs] == [(0.1, 1), (0.1, 2), (0.2, 2)]
    page = Path(sweep(path).stdout.splitlines()[-1])
    rows = BeautifulSoup(page.read_text(), "html.parser").find("tbody").find_all("tr")
    assert [row.td.get_text(" ") for row in rows] == [
        "a lr 0.1",
        "b n_shot 2",
        "c lr 0.2",
    ]
    runs = [run(spec) for spec in specs]
    gap = runs[2].evaluate(12).minus(runs[1].evaluate(12))
    table = pd.read_csv(page.parent / "settings.csv")
    assert table["difference"][2] == pytest.approx(gap.mean)
    assert pd.isna(table["difference"][1])  # other episodes than those of the step before
    assert gap.points() in rows[2].text


def test_what_a_setting_took_counts_the_classifier_it_starts_from(write, sweep):
    path = write(list=[{"pretrain_epochs": 1}])
    page = Path(sweep(path).stdout.splitlines()[-1])
    made = run(read_settings(path)[0].specs[0])
    took = made.result["seconds"] + made.pretraining.result["seconds"]
    assert pd.read_csv(page.parent / "settings.csv")["seconds"][0] == pytest.approx(took)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gird": {"lr": [0.1]}}, r"trial.yaml: unknown parameter 'gird' \(did you mean 'grid'"),
        ({"grid": {"rl": [0.1]}}, r"trial.yaml: setting rl=0.1: unknown parameter 'rl'"),
        ({"grid": {"lr": [0.1, -1.0]}}, r"trial.yaml: setting lr=-1.0: lr=-1.0: .*greater than 0"),
        ({"grid": {"lr": 0.1}}, r"trial.yaml: grid=0.1: .*valid list"),
        ({"grid": {"lr": []}}, r"trial.yaml: grid: lr has no values"),
        ({"grid": {"lr": [0.1, 0.1]}}, r"trial.yaml: lr has a value twice"),
        ({"seeds": [1, 1]}, r"trial.yaml: seeds has a value twice"),
        ({"grid": {"seed": [1]}, "seeds": [1]}, r"give seeds or vary seed, not both"),
        ({"grid": {"lr": [0.1]}, "list": [{"lr": 1.0}]}, r"give only one of grid, list and steps"),
        ({"list": [{"lr": 0.1}, {"n_shot": 1, "lr": 0.1}]}, r"setting lr=0.1, n_shot=1: .*twice"),
        ({"base": {"n_way": 1}}, r"trial.yaml: n_way=1: .*greater than or equal to 2"),
        ({"base": {"source": "folder"}}, r"source 'folder' needs its folder: set data_dir"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_in_one_line(write, values, message):
    path = write(**values)
    with pytest.raises(InputError, match=message) as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n", "just words", "1: 2\n", "base: {\n"])
def test_a_file_of_another_kind_is_refused(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"odd\.yaml"):
        read_settings(path)


def test_a_missing_file_ends_with_status_two(tmp_path, sweep):
    result = sweep(tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "none.yaml cannot be read" in result.output


def test_settings_are_ranked_with_seeds_and_episodes_behind_them(write, project, sweep):
    path = write(grid={"lr": [0.001, 0.01, 0.02]}, seeds=[0, 1])
    result = sweep(path)
    assert result.exit_code == 0, result.output
    page = Path(result.stdout.splitlines()[-1])
    assert page == project / "reports" / "sweeps" / "trial" / "index.html"
    settings = pd.read_csv(page.parent / "settings.csv")
    assert sorted(settings["lr"]) == [0.001, 0.01, 0.02]
    assert settings["accuracy"].is_monotonic_decreasing
    judged = {
        one.changes["lr"]: SeedEvaluations(tuple(run(spec).evaluate(12) for spec in one.specs))
        for one in read_settings(path)
    }
    best = judged[settings["lr"][0]]
    for _, row in settings.iterrows():
        mean, ci95, n = judged[row["lr"]].accuracy
        assert (row["accuracy"], row["ci95"]) == pytest.approx((mean, ci95))
        assert (row["test_episodes"], row["seeds"]) == (n, 2) == (12, 2)
        gap = judged[row["lr"]].minus(best)
        if row["lr"] == settings["lr"][0]:
            assert pd.isna(row["difference"])
        else:
            assert (row["difference"], row["difference_ci95"]) == pytest.approx(gap[:2])
            assert row["verdict"] == ("lower" if gap.high < 0 else "undecided")
            assert gap.points() in page.read_text()


def test_every_run_has_a_row(write, sweep):
    path = write(grid={"episodes": [2, 4]}, seeds=[0, 1])
    page = Path(sweep(path).stdout.splitlines()[-1])
    runs = pd.read_csv(page.parent / "runs.csv", dtype={"run": str})
    made = {
        run(spec).folder.name: run(spec).evaluate(12).accuracy
        for one in read_settings(path)
        for spec in one.specs
    }
    assert set(runs["run"]) == set(made)
    assert set(runs["episodes"]) == {2, 4} and set(runs["test_episodes"]) == {12}
    for _, row in runs.iterrows():
        assert (row["accuracy"], row["ci95"]) == pytest.approx(made[row["run"]][:2])


def test_the_page_ranks_draws_and_needs_no_network(write, sweep):
    result = sweep(write(grid={"distance": ["euclidean", "cosine"]}))
    page = BeautifulSoup(Path(result.stdout.splitlines()[-1]).read_text(), "html.parser")
    rows = page.find("tbody").find_all("tr")
    assert [row.find("th").text for row in rows] == ["1", "2"]
    assert {row.td.text for row in rows} == {"distance euclidean", "distance cosine"}
    assert "the best" in rows[0].text
    dots, curves = (page.select_one(f"#figure-{name} svg") for name in ("accuracies", "curves"))
    assert dots["aria-label"].startswith("Accuracy of each setting")
    assert curves["aria-label"].startswith("Training loss")
    sources = [tag.get("src", "") for tag in page.find_all(["img", "script", "link"])]
    assert all(source in ("",) or source.startswith("data:") for source in sources)


def test_figures_number_settings_where_names_are_long(write):
    """Else they would have no room for the accuracies."""
    case = {"lr": 0.01, "weight_decay": 0.5, "init": "normal", "optimizer": "adam"}
    path = write(list=[{}, case])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, page, _ = write_sweep(path, 10, None)
    drawn = BeautifulSoup(page.read_text("utf-8"), "html.parser").find("svg").get_text(" ")
    assert "number 1" in drawn and "number 2" in drawn
    assert "weight_decay" not in drawn


def test_a_sweep_done_again_trains_nothing(write, monkeypatch, sweep):
    path = write(grid={"lr": [0.001, 0.01]})
    first = sweep(path)
    monkeypatch.setattr(
        "fewshot_lib.experiments.engines.jobs.run", lambda spec: pytest.fail("again")
    )
    assert sweep(path).stdout == first.stdout


def test_a_setting_that_fails_is_told_of_and_the_rest_is_ranked(write, sweep):
    result = sweep(write(grid={"lr": [0.001, 1e30]}))
    assert result.exit_code == 2
    assert "1 of 2 runs failed" in result.stderr and "is not finite" in result.stderr
    page = Path(result.stdout.splitlines()[-1])
    assert "lr 1e+30" in BeautifulSoup(page.read_text(), "html.parser").find("p").text
    assert pd.read_csv(page.parent / "settings.csv")["seeds"].tolist() == [1]


def test_when_all_fail_there_is_no_page(write, project, sweep):
    result = sweep(write(base={"source": "folder", "data_dir": str(project / "none")}))
    assert result.exit_code == 2
    assert str(project / "none") in result.stderr
    assert not result.stdout


def test_settings_of_other_episodes_are_ranked_without_a_difference(write, sweep):
    result = sweep(write(grid={"n_way_test": [2, 3]}))
    assert result.exit_code == 0, result.output
    assert "other episodes" in result.stdout


def test_the_page_and_its_tables_lie_where_they_are_asked_for(write, project, sweep):
    result = sweep(write(), "--output", project / "out")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (project / "out").iterdir()}
    assert names == {"index.html", "runs.csv", "settings.csv"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, 0.1),
        (-3, -3),
        ("euclidean", "euclidean"),
        ("=1+1", "'=1+1"),
        (["flip", "crop"], "flip, crop"),
        (["-x"], "'-x"),
        (None, "–"),
    ],
)
def test_no_cell_is_a_formula(value, expected):
    assert _cell(value) == expected
