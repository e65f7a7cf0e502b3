"""Comparison of runs: which are meant, in what they differ, and that differences are paired."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from click.testing import CliRunner

from fewshot_lib.cli.compare import compare
from fewshot_lib.cli.main import Commands
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.comparison import _CHANGED, judge, unique_names
from fewshot_lib.experiments.folders import STATUS
from fewshot_lib.experiments.lookup import Entry, find_entries
from fewshot_lib.experiments.runs import RESULT, SPEC, Run, run
from fewshot_lib.learning.checkpoints import HISTORY, WEIGHTS
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.report.pages import _equal_values, difference_cells
from fewshot_lib.spec.problems import Problem1, Problem3
from fewshot_lib.spec.words import differing_values, short_names

pytestmark = pytest.mark.usefixtures("project")

TEN = ["--episodes", "10"]


@pytest.fixture
def two(make_spec) -> list[Run]:
    """The same training with two learning rates."""
    return [run(make_spec(epochs=1, lr=lr)) for lr in (0.003, 0.01)]


@pytest.fixture
def write_report(project, make_spec):
    """Write ``run.json`` of a report with complete problems of these parameters."""

    def write(name: str, **problems: dict) -> Path:
        entries = {
            problem: {"state": "complete", "parameters": values}
            for problem, values in problems.items()
        }
        path = project / "reports" / name / STATUS
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"notebooks": entries}))
        return path.parent

    return write


def parameters(spec, problem) -> dict:
    """The spec's values that this problem's notebook takes."""
    values = spec.model_dump()
    return problem.check(
        {k: v for k, v in values.items() if k in problem.model_fields and k != "n_aug"}
    ).model_dump()


def invoke(*arguments: str | Path):
    """The command as ``fewshot`` runs it, whatever else that knows."""
    group = Commands("fewshot", {"compare": compare})
    return CliRunner().invoke(group, ["compare", *map(str, arguments)])


def page_of(result) -> BeautifulSoup:
    assert result.exit_code == 0, result.output
    return BeautifulSoup(Path(result.stdout.splitlines()[-1]).read_text("utf-8"), "html.parser")


def cells(soup: BeautifulSoup, section: str) -> list[list[str]]:
    """Texts of the first table below this heading, row by row."""
    rows = soup.find(id=section).find_next("table").select("tr")
    return [[c.get_text(" ", strip=True) for c in row.select("th, td")] for row in rows]


def forge(made: Run, n_episodes: int, right: list[int]) -> None:
    """Change a run's kept evaluation so that so many of each episode's 12 queries are right."""
    made.evaluate(n_episodes)
    (path,) = (made.folder / "evaluations").iterdir()
    predictions = np.zeros((n_episodes, 12), np.int16)
    truth = np.repeat(np.arange(3), 4)
    for row, count in zip(predictions, right, strict=True):
        row[:] = (truth + 1) % 3
        row[:count] = truth[:count]
    np.save(path, predictions.reshape(n_episodes, 3, 4))


def test_the_difference_is_paired_by_hand(two):
    forge(two[0], 4, [3, 6, 9, 6])
    forge(two[1], 4, [6, 9, 12, 12])  # 3, 3, 3 and 6 of 12 more: 25, 25, 25, 50 points
    first, second = (judge(made, 4) for made in two)
    half = 1.96 * np.std([0.25, 0.25, 0.25, 0.5]) / 2
    assert second.gap(first) == Interval(pytest.approx(0.3125), pytest.approx(half), 4)
    result = invoke(*(made.folder.name for made in two), "--episodes", "4")
    rows = cells(page_of(result), "accuracy")
    assert rows[1][3] == "– the first"
    assert rows[2][3] == f"+31.25 ± {100 * half:.2f} points ▲ scored higher"
    assert f"+31.25 ± {100 * half:.2f} points ▲" in result.stdout.splitlines()[2]


@pytest.mark.parametrize(
    ("mean", "sign", "word"),
    [
        (0.02, "▲", "scored higher"),
        (-0.02, "▼", "scored lower"),
        (0.01, "≈", "cannot be told apart"),
    ],
)
def test_the_sign_says_whether_the_interval_excludes_zero(mean, sign, word):
    found = difference_cells(Interval(mean, 0.01, 600))
    assert (found["sign"], found["word"]) == (sign, word)


def test_only_parameters_that_differ_are_listed(make_spec):
    specs = [make_spec(), make_spec(lr=0.01), make_spec(n_shot=5)]
    assert differing_values(specs) == {
        "n_shot": [1, 1, 5],
        "lr": [0.003, 0.01, 0.003],
        "n_shot_test": [1, 1, 5],
    }
    same = _equal_values(specs)
    assert not {"n_shot", "lr", "n_shot_test"} & same.keys()
    assert same["source"] == "mini_imagenet"
    assert same["image_size"] == 16
    assert len(same) + 3 == len(type(specs[0]).model_fields)


def test_the_page_of_two_runs(two):
    result = invoke(*(made.folder for made in two), *TEN)
    soup = page_of(result)
    assert cells(soup, "parameters") == [
        ["Parameter", "lr 0.003", "lr 0.01"],
        ["lr", "0.003", "0.01"],
    ]
    same = soup.find(id="parameters").find_next("p").get_text()
    assert "source mini_imagenet" in same
    assert "image_size 16" in same
    assert "lr" not in same
    rows = cells(soup, "accuracy")
    for row, made in zip(rows[1:], two, strict=True):
        stored = made.result
        best = f"{100 * stored['val_accuracy']:.2f} ± {100 * stored['val_ci95']:.2f} %"
        assert row[1] == f"{best} epoch {stored['best_epoch']} of 1"
        assert row[2] == str(made.evaluate(10).accuracy)
    costs = cells(soup, "cost")
    assert costs[1][1] == f"{two[0].result['parameters']:,}"
    assert costs[1][3] == f"{two[0].history['seconds'].mean():.2f}"
    image = soup.select_one("figure#figure-curves svg")
    assert f"{100 * two[1].result['val_accuracy']:.1f} % after epoch 1" in image["aria-label"]
    assert not soup.select("[src^=http], link[href^=http]")


def test_the_terminal_s_last_line_is_the_page(two, project):
    lines = invoke(*(made.folder.name for made in two), *TEN).stdout.splitlines()
    assert lines[-1] == str(project / "reports" / "compare.html")
    assert len(lines) == 4
    assert "10 test episodes" in lines[0]
    other = project / "new" / "page.html"
    assert invoke(*(made.folder for made in two), *TEN, "--output", other).exit_code == 0
    assert other.is_file()


def test_evaluations_are_kept_in_the_run_s_folder(two):
    invoke(*(made.folder for made in two), *TEN)
    for made in two:
        (kept,) = (made.folder / "evaluations").iterdir()
        assert "-10-" in kept.name


def test_other_shots_or_other_data_are_not_comparable(make_spec, two, tmp_path, data_dir):
    shots = run(make_spec(epochs=1, n_shot=2))
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(data_dir, elsewhere)
    table = elsewhere / "val.csv"
    table.write_text(table.read_text().replace("val4", "renamed"))
    other = run(make_spec(epochs=1, data_dir=str(elsewhere)))
    fewer = run(make_spec(epochs=1, images_per_class=10))
    first, *rest = (judge(made, 10) for made in (two[0], shots, other, fewer))
    assert [judged.gap(first) for judged in rest] == [
        "not comparable: other test episodes",
        "not comparable: other data",
        "not comparable: other data",
    ]
    rows = cells(page_of(invoke(two[0].folder, other.folder, *TEN)), "accuracy")
    assert rows[2][3] == "not comparable: other data"


def test_images_of_another_size_are_the_same_images(make_spec, two):
    large = run(make_spec(epochs=1, image_size=32))
    assert judge(large, 10).gap(judge(two[0], 10)).n == 10


def test_without_its_data_a_run_keeps_its_stored_accuracy(make_spec, two, tmp_path, data_dir):
    gone = tmp_path / "gone & <b>lost</b>"
    shutil.copytree(data_dir, gone)
    made = run(make_spec(epochs=1, lr=0.1, data_dir=str(gone)))
    shutil.rmtree(gone)
    for arguments in ((two[0].folder, made.folder), (made.folder, two[0].folder)):
        soup = page_of(invoke(*arguments, *TEN))
        rows = cells(soup, "accuracy")[1:]
        (row,) = [row for row in rows if made.folder.name in row[0]]
        assert row[1].startswith(f"{100 * made.result['val_accuracy']:.2f} ±")
        assert row[2] == "–"
        assert rows[1][3] == "not comparable: no test episodes"
        assert f"no folder {gone}" in soup.select_one(".notice").get_text()
        assert not soup.select_one("main td b, main .notice b, main code b")


def test_without_its_weights_a_run_keeps_its_stored_accuracy(two):
    (two[1].folder / WEIGHTS).unlink()
    soup = page_of(invoke(two[0].folder, two[1].folder, *TEN))
    assert "there is no weights file" in soup.select_one(".notice").get_text()


def test_a_run_whose_data_changed_since_is_marked(two, make_spec, tmp_path, data_dir):
    changing = tmp_path / "changing"
    shutil.copytree(data_dir, changing)
    made = run(make_spec(epochs=1, data_dir=str(changing)))
    assert judge(made, 10).note == ""
    table = changing / "train.csv"
    table.write_text(table.read_text().replace("train4", "renamed"))
    assert judge(made, 11).note == _CHANGED


def test_the_same_run_is_shown_once(two, monkeypatch):
    monkeypatch.chdir(two[0].folder.parent)
    folder, other = two[0].folder, two[1].folder
    spellings = [folder.name, str(folder), f"{folder}/.", f"reports/runs/{folder.name}", other]
    entries, _ = find_entries(map(str, spellings))
    assert [entry.run.folder.resolve() for entry in entries] == [folder, other]


def test_a_report_stands_for_its_main_runs(make_spec, write_report):
    spec = make_spec(epochs=1)
    folder = write_report(
        "tiny", problem1=parameters(spec, Problem1), problem3=parameters(spec, Problem3)
    )
    with pytest.raises(InputError, match="report 'tiny' has no finished run"):
        find_entries(["tiny"])
    adversarial = {"method": "adversarial"}
    variants = ({}, {"variant": "afhn"})
    methods = [{}, *(adversarial | variant for variant in variants)]
    runs = [run(make_spec(epochs=1, **m)) for m in methods]
    for argument in ("tiny", "reports/tiny", str(folder)):
        entries, missing = find_entries([argument])
        assert [entry.run for entry in entries] == runs
        assert {entry.report for entry in entries} == {"tiny"}
        assert missing == []
    shutil.rmtree(runs[1].folder)
    result = invoke("tiny", *TEN)
    assert "left out: Problem 3 of tiny, whose run is gone" in result.stdout
    assert "Problem 3 of tiny" in page_of(result).select_one(".notice").get_text()


def test_a_report_s_runs_are_found_without_its_data(
    make_spec, two, write_report, tmp_path, data_dir
):
    gone = tmp_path / "gone"
    shutil.copytree(data_dir, gone)
    spec = make_spec(epochs=1, lr=0.1, data_dir=str(gone))
    made = run(spec)
    write_report("lost", problem1=parameters(spec, Problem1))
    shutil.rmtree(gone)
    entries, _ = find_entries(["lost", two[0].folder.name])
    assert entries[0] == Entry(made, "lost")


def test_a_report_s_damaged_run_is_named(make_spec, write_report):
    spec = make_spec(epochs=1)
    write_report("tiny", problem1=parameters(spec, Problem1))
    damage(run(spec).folder, HISTORY, "")
    with pytest.raises(InputError, match=r"history\.csv is missing or damaged"):
        find_entries(["tiny"])


def test_a_report_judges_a_run_on_its_own_copy_of_the_data(
    make_spec, two, write_report, tmp_path, data_dir
):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        shutil.copytree(data_dir, folder)
    made = run(make_spec(epochs=1, lr=0.1, data_dir=str(first)))
    spec = make_spec(epochs=1, lr=0.1, data_dir=str(second))
    write_report("copy", problem1=parameters(spec, Problem1))
    shutil.rmtree(first)
    (entry, _), _ = find_entries(["copy", two[0].folder.name])
    assert entry.run.folder == made.folder
    assert judge(entry.run, 10).evaluation is not None


def test_names_are_unique_and_say_what_differs(make_spec, project):
    plain = "prototypical 3-way 1-shot euclidean"
    entries = [
        Entry(Run(make_spec(**change), project / name))
        for name, change in {
            "a": {},
            "b": {"lr": 0.1},
            "c": {"distance": "cosine"},
            "d": {"method": "adversarial"},
        }.items()
    ]
    assert unique_names(entries) == [
        f"{plain}, lr 0.003",
        f"{plain}, lr 0.1",
        "prototypical 3-way 1-shot cosine",
        "adversarial 3-way 1-shot euclidean",
    ]
    assert short_names(unique_names(entries)) == [
        "prototypical euclidean, lr 0.003",
        "prototypical euclidean, lr 0.1",
        "prototypical cosine",
        "adversarial euclidean",
    ]
    assert short_names(unique_names(entries[:2])) == ["lr 0.003", "lr 0.1"]


def test_names_of_equal_specs_are_their_folders(make_spec, project):
    spec = make_spec()
    same = [Entry(Run(spec, project / name)) for name in ("a", "b")]
    plain = "prototypical 3-way 1-shot euclidean"
    assert unique_names(same) == [f"{plain}, a", f"{plain}, b"]
    twins = [Entry(Run(spec, project / name / "x")) for name in ("a", "b")]
    assert unique_names(twins) == [f"{plain}, {project / name / 'x'}" for name in ("a", "b")]


def test_names_of_several_reports_begin_with_the_report(make_spec, project):
    run_a, run_b, run_c = (Run(make_spec(), project / name) for name in "abc")
    plain = "prototypical 3-way 1-shot euclidean"
    entries = [Entry(run_a, "quick"), Entry(run_b, "paper"), Entry(run_c)]
    assert unique_names(entries) == [f"quick: {plain}", f"paper: {plain}", plain]
    assert unique_names(entries[::2]) == [f"{plain}, a", f"{plain}, c"]


def test_markup_in_names_is_shown_not_obeyed(make_spec, write_report):
    evil = "$\\x$ <script>alert(1)<%2Fscript> & 'quotes'"  # a formula that cannot be read
    for name, lr in ((evil, 0.003), ("_plain", 0.01)):
        spec = make_spec(epochs=1, lr=lr)
        run(spec)
        write_report(name, problem1=parameters(spec, Problem1))
    soup = page_of(invoke(evil, "_plain", *TEN))
    assert not [script for script in soup.select("script") if "alert" in script.text]
    assert evil in soup.find(id="accuracy").find_next("table").get_text()
    assert evil in soup.select_one("figure svg")["aria-label"]


@pytest.mark.parametrize("arguments", [[], ["first"], ["first", "first"]])
def test_fewer_than_two_runs_are_refused(two, arguments):
    result = invoke(*(two[0].folder for _ in arguments))
    assert result.exit_code == 2
    assert result.stderr.startswith("fewshot: a comparison needs two different runs")
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_run_is_named_with_the_nearest(two, make_spec, write_report):
    write_report("quick", problem1=parameters(make_spec(), Problem1))
    first = two[0].folder.name
    result = invoke(first, "quik")
    assert result.exit_code == 2
    assert result.stderr == "fewshot: there is no run or report 'quik' (did you mean 'quick'?)\n"
    assert f"did you mean '{first}'" in invoke(first, f"{first[:-1]}x").stderr
    assert "(known: quick)" in invoke(first, "zzz").stderr


def test_a_folder_that_is_neither_is_named(two, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    assert f"{folder} is no run (no spec.yaml) and no report" in invoke(folder, "x").stderr


def damage(folder: Path, name: str, text: str | None) -> None:
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (RESULT, None, "is not finished"),
        (RESULT, "{", "result.json is missing or damaged"),
        (RESULT, "[]", "result.json is missing or damaged"),
        (RESULT, '{"best_epoch": 1}', "result.json is missing or damaged"),
        (HISTORY, None, "history.csv is missing or damaged"),
        (HISTORY, "epoch,loss\n1,2\n", "history.csv is missing or damaged"),
        (HISTORY, "", "history.csv is missing or damaged"),
        (SPEC, "n_way: [", "spec.yaml, line 1"),
        (SPEC, "just text", "expected lines of the form"),
        (SPEC, "1: 2", "expected lines of the form"),
        (SPEC, "n_ways: 5", "unknown parameter 'n_ways' (did you mean 'n_way'?)"),
    ],
)
def test_an_unfinished_or_damaged_run_is_named(two, name, text, message):
    damage(two[1].folder, name, text)
    result = invoke(*(made.folder for made in two))
    assert result.exit_code == 2
    assert message in result.stderr
    assert two[1].folder.name in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("notebooks", [[], {"problem1": 3}, {"problem1": {"state": "complete"}}])
def test_a_damaged_report_is_named(two, write_report, notebooks):
    folder = write_report("odd")
    (folder / STATUS).write_text(json.dumps({"notebooks": notebooks}))
    result = invoke("odd", two[0].folder)
    assert result.exit_code == 2
    assert "run.json is damaged: make the report again" in result.stderr


def test_an_older_spec_without_newer_parameters_is_read(two):
    path = two[1].folder / SPEC
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({k: v for k, v in values.items() if k != "rotations"}))
    entries, _ = find_entries(str(made.folder) for made in two)
    assert entries[1].run.spec == two[1].spec


def test_an_output_that_cannot_be_written_is_named(two, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    folder = tmp_path / "folder.html"
    folder.mkdir()
    for output, words in ((file / "page.html", "cannot be written"), (folder, "is a folder")):
        result = invoke(*(made.folder for made in two), "--output", output)
        assert result.exit_code == 2
        assert words in result.stderr


def test_too_few_episodes_for_an_interval_are_refused(two):
    result = invoke(*(made.folder for made in two), "--episodes", "1")
    assert result.exit_code == 2
    assert "--episodes" in result.stderr
