"""The course's test cases: predictions and the report's evaluation give the same number."""

import csv
import os
import shutil
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from fewshot_lib.cli.main import Commands
from fewshot_lib.cli.predict import predict
from fewshot_lib.cli.score import score
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.data.testcases import score as score_files
from fewshot_lib.errors import InputError
from fewshot_lib.experiments import testcases
from fewshot_lib.experiments.runs import bank_for, run
from fewshot_lib.experiments.testcases import TESTCASES, evaluate_testcases, predict_testcases
from fewshot_lib.learning.checkpoints import WEIGHTS
from fewshot_lib.learning.randomness import stream
from fewshot_lib.learning.weights import MEANS_FILE

pytestmark = pytest.mark.usefixtures("project")

TRUTH = "val_testcase_gt.csv"
N_QUERY = 4
METHODS = {
    "prototypical": {},
    "hallucination": {"method": "hallucination", "n_aug": 3},
    "adversarial": {"method": "adversarial"},
    "adversarial with fakes": {"method": "adversarial", "n_aug_test": 2},
}


@pytest.fixture
def tree(data_dir, tmp_path) -> Path:
    """A copy of the images, to put test cases beside."""
    return Path(shutil.copytree(data_dir, tmp_path / "tree"))


def write_csv(path: Path, rows: list[list]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_testcases(tree: Path, spec, n_way: int, n_shot: int, n_episodes: int = 30) -> None:
    """Random episodes over ``val.csv`` and their truth, queries shuffled as in the course."""
    bank = bank_for(spec, "val")
    generator = stream("test cases", n_way, n_shot)
    episodes = sample_episodes(bank, n_episodes, n_way, n_shot, N_QUERY, generator)
    queries = [f"query{i}" for i in range(n_way * N_QUERY)]
    supports = [f"class{c}_support{k}" for c in range(n_way) for k in range(n_shot)]
    cases, truth = [["episode_id", *supports, *queries]], [["episode_id", *queries]]
    for i, episode in enumerate(episodes):
        order = torch.randperm(n_way * N_QUERY, generator=generator)
        support, query = episode[:, :n_shot].flatten(), episode[:, n_shot:].flatten()[order]
        cases.append([i, *(bank.ids[k] for k in (*support, *query))])
        truth.append([i, *(order // N_QUERY).tolist()])
    write_csv(tree / TESTCASES, cases)
    write_csv(tree / TRUTH, truth)


@pytest.fixture
def solved(tree, make_spec):
    """A finished run beside test cases of its own, 3-way 1-shot."""
    spec = make_spec(data_dir=str(tree), epochs=1)
    write_testcases(tree, spec, 3, 1)
    return run(spec)


def predict_all(run, tree: Path, output: Path, **how) -> str:
    return predict_testcases(
        run.folder / WEIGHTS, tree / "val.csv", tree / "val", tree / TESTCASES, output, **how
    )


@pytest.mark.parametrize("calibrated", [False, True], ids=["plain", "calibrated"])
@pytest.mark.parametrize(("n_way", "n_shot"), [(3, 1), (5, 1), (3, 3), (5, 3)])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_report_s_number_is_that_of_the_files(
    tree, make_spec, method, n_way, n_shot, calibrated
):
    spec = make_spec(data_dir=str(tree), epochs=1, **method)
    write_testcases(tree, spec, n_way, n_shot)
    trained = run(spec)
    report = evaluate_testcases(trained, calibrated)
    predict_all(trained, tree, tree / "pred.csv", calibrated=calibrated)
    files = score_files(tree / "pred.csv", tree / TRUTH)
    assert report.n == 30
    assert f"{100 * report.mean:.2f} {100 * report.ci95:.2f}" == (
        f"{100 * files.mean:.2f} {100 * files.ci95:.2f}"
    )


def test_queries_that_are_supports_are_all_found(solved, tree):
    """Nothing is nearer to a single support than itself: positions are known by construction."""
    header = [
        "episode_id",
        *(f"class{c}_support0" for c in range(4)),
        *map("query{}".format, "012"),
    ]
    write_csv(
        tree / TESTCASES, [header, [9, 50, 2, 30, 17, 30, 17, 50], [4, 1, 13, 25, 37, 37, 1, 1]]
    )
    predict_all(solved, tree, tree / "pred.csv")
    lines = (tree / "pred.csv").read_text().splitlines()
    assert lines == ["episode_id,query0,query1,query2", "9,2,3,0", "4,3,0,0"]
    assert evaluate_testcases(solved) == (1, 0, 2)


def test_the_header_is_that_of_the_truth(solved, tree):
    predict_all(solved, tree, tree / "pred.csv")
    first = [(tree / name).read_bytes().splitlines(True)[0] for name in ("pred.csv", TRUTH)]
    assert first[0] == first[1]


def test_predictions_are_repeatable_although_they_use_noise(tree, make_spec):
    spec = make_spec(data_dir=str(tree), epochs=1, method="hallucination", n_aug=2)
    write_testcases(tree, spec, 5, 1)
    trained = run(spec)
    written = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        predict_all(trained, tree, tree / "pred.csv")
        written.append((tree / "pred.csv").read_bytes())
    assert written[0] == written[1]


def test_only_images_in_use_are_read_and_labels_are_not_needed(solved, tree):
    """One episode of two images a class; every other file is gone."""
    before = evaluate_testcases(solved).n
    ids = ["0", "12", "24", "1", "13", "25"]  # class 0, 1, 2, then one query of each
    header = ["episode_id", *(f"class{c}_support0" for c in range(3)), "query0", "query1", "query2"]
    write_csv(tree / TESTCASES, [header, ["only", *ids]])
    with (tree / "val.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    write_csv(tree / "val.csv", [["filename", "id"], *([r["filename"], r["id"]] for r in rows)])
    for row in rows:
        if row["id"] not in ids:
            (tree / "val" / row["filename"]).unlink()
    line = predict_all(solved, tree, tree / "pred.csv")
    assert line == f"1 episode (3-way 1-shot), 6 images: {tree / 'pred.csv'}"
    assert (tree / "pred.csv").read_text().splitlines()[1].startswith("only,")
    assert before == 30


def test_no_test_cases_no_number(data_dir, make_spec):
    assert not (data_dir / TESTCASES).exists()
    assert evaluate_testcases(run(make_spec(epochs=1))) is None


def test_no_number_when_the_run_knows_only_some_of_the_images(tree, make_spec):
    write_testcases(tree, make_spec(data_dir=str(tree)), 3, 1)
    some = make_spec(data_dir=str(tree), epochs=1, images_per_class=8)
    assert evaluate_testcases(run(some)) is None


def test_damaged_test_cases_are_named_to_the_report_too(solved, tree):
    (tree / TESTCASES).write_text("episode_id,query0\n0,1\n")
    with pytest.raises(InputError, match=r"val_testcase\.csv has no column 'class0_support0'"):
        evaluate_testcases(solved)


def use_image(image: str):
    """Put this id into the first support of the first episode."""

    def change(tree: Path) -> None:
        with (tree / TESTCASES).open(newline="") as file:
            rows = list(csv.reader(file))
        rows[1][1] = image
        write_csv(tree / TESTCASES, rows)

    return change


def lose_images(tree: Path) -> None:
    for number in (3, 4, 59):
        (tree / "val" / f"{number + 1}.png").unlink()


def rewrite(name: str, text: str):
    return lambda tree: (tree / name).write_text(text)


BROKEN = {
    "unknown id": (use_image("600"), "episode '0' uses the image id '600', which"),
    "leading zeros": (use_image("007"), "(it has '7'; ids must be equal letter by letter)"),
    "lost images": (lose_images, "3 of 60 images of"),
    "the first lost": (lose_images, "the first is 4.png"),
    "no folder": (lambda tree: shutil.rmtree(tree / "val"), "there is no folder"),
    "no table": (lambda tree: (tree / "val.csv").unlink(), "there is no file"),
    "no ids": (rewrite("val.csv", "filename,label\n1.png,a\n"), "has no column 'id'"),
    "id twice": (rewrite("val.csv", "id,filename\n1,1.png\n1,2.png\n"), "has id '1' twice"),
    "damaged image": (rewrite("val/1.png", "no image"), "1.png cannot be decoded"),
    "no test cases": (lambda tree: (tree / TESTCASES).unlink(), "there is no file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_named_in_one_line_and_old_predictions_stay(solved, tree, case):
    write_testcases(tree, solved.spec, 5, 1, n_episodes=60)  # uses every image
    damage, words = BROKEN[case]
    damage(tree)
    (tree / "pred.csv").write_text("old")
    with pytest.raises(InputError) as caught:
        predict_all(solved, tree, tree / "pred.csv")
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert (tree / "pred.csv").read_text() == "old"


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(solved, tree):
    shutil.rmtree(tree / "val")  # would be refused as well, later
    (tree / "file").write_text("")
    wrong = {
        tree: "is a folder: name a file in it",
        tree / "file" / "pred.csv": "cannot be written",
        tree / "val.csv": "is also an input",
    }
    for output, words in wrong.items():
        with pytest.raises(InputError, match=words):
            predict_all(solved, tree, output)


def test_a_late_failure_leaves_the_old_predictions(solved, tree, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    (tree / "pred.csv").write_text("old")
    monkeypatch.setattr(testcases, "_solve", fail)
    with pytest.raises(KeyboardInterrupt):
        predict_all(solved, tree, tree / "pred.csv")
    assert (tree / "pred.csv").read_text() == "old"
    assert not list(tree.glob(".pred*"))


@pytest.fixture
def command():
    """``fewshot`` with the two commands."""

    @click.group(cls=Commands)
    def main():
        pass

    main.add_command(predict)
    main.add_command(score)
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


def files(tree: Path, **changes) -> list:
    options = {
        "--images-csv": tree / "val.csv",
        "--images-dir": tree / "val",
        "--testcases": tree / TESTCASES,
        "--output": tree / "pred.csv",
    }
    return [word for pair in (options | changes).items() for word in pair]


def test_the_commands_print_one_line_each(command, solved, tree):
    done = command("predict", "--run", solved.folder, *files(tree))
    assert (done.exit_code, done.stderr) == (0, "")
    n_images = len({v for _, v in testcases.read_testcases(tree / TESTCASES).image_ids()})
    assert done.stdout == f"30 episodes (3-way 1-shot), {n_images} images: {tree / 'pred.csv'}\n"
    scored = command("score", tree / "pred.csv", tree / TRUTH)
    expected = evaluate_testcases(solved)
    assert scored.stdout == f"Accuracy: {100 * expected.mean:.2f} +- {100 * expected.ci95:.2f} %\n"


def test_the_command_calibrates_once_the_run_has_been(command, solved, tree):
    arguments = "predict", "--calibrated", "--run", solved.folder, *files(tree)
    early = command(*arguments)
    assert early.exit_code == 2
    missing = solved.folder / MEANS_FILE
    assert early.stderr == f"fewshot: there is no {missing}: reports make it for their main runs\n"
    assert not (tree / "pred.csv").exists()
    expected = evaluate_testcases(solved, calibrated=True)
    assert expected != evaluate_testcases(solved)
    assert command(*arguments).exit_code == 0
    assert score_files(tree / "pred.csv", tree / TRUTH) == pytest.approx(expected[:2])


def test_the_commands_end_with_status_2_for_wrong_input(command, solved, tree):
    wrong = files(tree, **{"--testcases": tree / "none.csv"})
    predicted = command("predict", "--run", solved.folder, *wrong)
    assert predicted.exit_code == 2
    assert predicted.stderr == f"fewshot: there is no file {tree / 'none.csv'}\n"
    (tree / "short.csv").write_text("episode_id,query0\n0,1\n")
    scored = command("score", tree / "short.csv", tree / TRUTH)
    assert (scored.exit_code, scored.stderr) == (2, "fewshot: Test case length mismatch.\n")


def test_the_best_run_of_no_report_is_asked_for_in_one_line(command, tree):
    missing = command("predict", *files(tree))
    assert missing.exit_code == 2
    assert missing.stderr == (
        "fewshot: there is no run or report 'quick' (make a report: fewshot report)\n"
    )


REAL = os.environ.get("FEWSHOT_MINI_IMAGENET")


@pytest.mark.skipif(not REAL, reason="FEWSHOT_MINI_IMAGENET names no folder with mini-ImageNet")
def test_the_course_s_own_test_cases(tmp_path):
    """Solved by the labels, they score 100 %: ids, order and positions are understood."""
    folder = Path(REAL)
    cases = testcases.read_testcases(folder / TESTCASES)
    assert cases.support.shape == (600, 5, 1)
    assert cases.query.shape == (600, 75)
    with (folder / "val.csv").open(newline="") as file:
        label_of = {row["id"]: row["label"] for row in csv.DictReader(file)}
    answers = []
    for support, query in zip(cases.support[..., 0], cases.query, strict=True):
        position = {label_of[image]: p for p, image in enumerate(support)}
        answers.append([position[label_of[image]] for image in query])
    testcases.write_predictions(tmp_path / "p.csv", cases, answers)
    assert (tmp_path / "p.csv").read_bytes() == (folder / TRUTH).read_bytes()
    assert str(score_files(tmp_path / "p.csv", folder / TRUTH)) == "Accuracy: 100.00 +- 0.00 %"
