"""What is recorded can be checked and used by others, and tells nothing of a machine."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from fewshot_lib.cli.main import main
from fewshot_lib.errors import InputError
from fewshot_lib.experiments import folders
from fewshot_lib.experiments.folders import RESULT, shipped_file, shipped_files
from fewshot_lib.experiments.ledger import COMPLETE, Results, Status
from fewshot_lib.experiments.matrix import SeedRuns, run_matrix
from fewshot_lib.experiments.runs import run
from fewshot_lib.files import runs_folder
from fewshot_lib.learning.checkpoints import WEIGHTS
from fewshot_lib.learning.weights import FOLDER, load_trained
from fewshot_lib.report import headline, record

ROOT = Path(__file__).parents[2]


def fewshot(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def make_report(project: Path, runs: dict[str, SeedRuns], monkeypatch) -> Path:
    """A finished report of these runs, with the accuracies that a front page has."""
    folder = project / "reports" / "tiny"
    monkeypatch.setenv("FEWSHOT_REPORT", str(folder))
    status = Status(folder, "tiny", {})
    with Results(folder).collected("summary"):
        judged = {name: one.evaluate(30).accuracy for name, one in runs.items()}
        for one in runs.values():
            one.evaluate(30, calibrated=True)
    headline.keep(runs, judged, {}, "val")
    spec = next(iter(runs.values())).spec
    status.start("summary", parameters={"data_dir": spec.data_dir})
    status.finish("summary", COMPLETE)
    (folder / "index.html").write_text(f"<td>{spec.data_dir}</td>")
    (folder / "notes.txt").write_text("not kept")
    readme = project / "reports" / "reference" / "README.md"
    readme.parent.mkdir()
    readme.write_text(f"before\n{headline._BEGIN}\nold\n{headline._END}\nafter\n")
    return folder


@pytest.fixture
def runs(make_spec, method, project) -> dict[str, SeedRuns]:
    """One method with two seeds."""
    seeds = [run(make_spec(**method, epochs=1, seed=seed)) for seed in (0, 1)]
    return {"Problem 1": SeedRuns(tuple(seeds))}


@pytest.fixture
def recorded(runs, project, monkeypatch) -> Path:
    """The report, recorded, in a project that has lost its runs."""
    make_report(project, runs, monkeypatch)
    record.main(["tiny"])
    shutil.rmtree(runs_folder())
    return project / "reports" / "reference" / "tiny"


def test_whoever_has_the_images_computes_a_recorded_report_anew(recorded, runs, data_dir):
    done = fewshot("verify", recorded, "--data-dir", data_dir)
    assert (done.exit_code, done.stdout) == (0, "4 accuracies computed anew, 0 differ\n")
    first = runs["Problem 1"].first.folder.name
    shipped_file(recorded, first).unlink()
    done = fewshot("verify", recorded, "--data-dir", data_dir)
    assert done.exit_code == 0
    assert done.stdout == (
        "2 accuracies computed anew, 0 differ\n"
        f"2 not computed, the weights of their runs are not there: {first}\n"
    )


def test_where_the_images_lie_must_be_said(recorded):
    done = fewshot("verify", recorded)
    assert done.exit_code == 2
    last = done.stderr.splitlines()[-1]
    assert last == "fewshot: say where the images of mini_imagenet lie: --data-dir DIR"


def test_other_weights_and_other_accuracies_are_found(recorded, data_dir):
    results = json.loads((recorded / RESULT).read_text())
    results["summary"][0]["mean"] += 0.0002
    (recorded / RESULT).write_text(json.dumps(results))
    changed = shipped_file(recorded, results["summary"][-1]["run"])
    trained = load_trained(changed)
    tensors = load_file(changed)
    about = {"spec": trained.spec.model_dump(), "mean": trained.mean, "std": trained.std}
    tensors[next(name for name in tensors if name.startswith("net."))] += 1
    save_file(tensors, changed, metadata={"fewshot": json.dumps(about)})
    done = fewshot("verify", recorded, "--data-dir", data_dir)
    assert done.exit_code == 1
    assert done.stdout.count("the report says") == 1
    assert done.stdout.count("the weights have changed") == 2
    assert done.stdout.endswith("4 accuracies computed anew, 3 differ\n")


def test_kept_weights_are_those_of_the_test_and_tell_nothing_of_a_machine(recorded, data_dir):
    for file in shipped_files(recorded):
        content = file.read_bytes()
        for word in (str(data_dir), str(Path.home()), str(ROOT), "cpu", os.uname().nodename):
            assert word.encode() not in content
        tensors = load_file(file)
        assert {t.dtype for t in tensors.values()} <= {torch.float16, torch.int64}
        unused = {"discriminator", "generator_loss", "head"}
        spec = load_trained(file).spec
        if spec.variant == "original" and not spec.n_aug_test:
            unused.add("generator")
        assert not unused & {name.split(".")[0] for name in tensors}
        assert tensors["class_means"].shape == (6, 64)
        assert load_trained(file).spec.data_dir == FOLDER


def test_only_pages_and_numbers_are_copied_without_the_folder_of_the_images(recorded, data_dir):
    names = {"index.html", RESULT, folders.STATUS, folders.HEADLINE, "weights"}
    assert {path.name for path in recorded.iterdir()} == names
    assert (recorded / "index.html").read_text() == f"<td>{FOLDER}</td>"
    for path in recorded.glob("*.*"):
        assert str(data_dir) not in path.read_text()


def test_a_recorded_report_is_in_the_table_of_all(recorded, runs):
    text = (recorded.parent / "README.md").read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert f"`{runs['Problem 1'].first.folder.name}`" in text
    record.main([])
    assert (recorded.parent / "README.md").read_text() == text
    page = BeautifulSoup((recorded.parent / "index.html").read_text(), "html.parser")
    assert page.select_one("h2 a")["href"] == f"{recorded.name}/index.html"
    assert "Problem 1" in [th.get_text() for th in page.select("tbody th")]


def test_first_seeds_come_first_where_there_is_little_room(project, make_spec, monkeypatch):
    seeds = {
        f"Problem {number}": SeedRuns(
            tuple(run(make_spec(epochs=1, seed=s, lr=0.001 * number)) for s in (0, 1))
        )
        for number in (1, 2)
    }
    make_report(project, seeds, monkeypatch)
    first = record.record("tiny")
    size = shipped_files(project / "reports" / "reference" / "tiny")[0].stat().st_size
    monkeypatch.setattr(record, "_LIMIT", 3 * size)
    lines = record.record("tiny")
    order = [seeds[f"Problem {n}"].seeds[s].folder.name for s in (0, 1) for n in (1, 2)]
    assert [line.split()[2].rstrip(",") for line in lines] == order
    assert lines[:3] == first[:3]
    assert lines[3].endswith("left out, there is no room")
    kept = {file.stem for file in shipped_files(project / "reports" / "reference" / "tiny")}
    assert kept == set(order[:3])


def test_runs_that_have_changed_since_are_not_recorded(project, make_spec, monkeypatch):
    one, other = (run(make_spec(epochs=1, seed=seed)) for seed in (0, 1))
    make_report(project, {"Problem 1": SeedRuns((one,))}, monkeypatch)
    shutil.copy(other.folder / WEIGHTS, one.folder / WEIGHTS)
    with pytest.raises(InputError, match=f"run {one.folder.name} has changed since"):
        record.record("tiny")


def test_a_sweep_is_recorded_with_its_tables(project, make_spec, data_dir, monkeypatch):
    made = run_matrix({lr: make_spec(epochs=1, lr=lr) for lr in (0.003, 0.01)})
    folder = project / "reports" / "sweeps" / "rates"
    folder.mkdir(parents=True)
    names = [one.folder.name for one in made.values()]
    pd.DataFrame({"run": names}).to_csv(folder / "runs.csv", index=False)
    (folder / "settings.csv").write_text("lr\n0.003\n0.01\n")
    (folder / "index.html").write_text(f"<td>{data_dir}</td>")
    assert record.record("sweeps/rates") == []
    target = project / "reports" / "reference" / "sweeps" / "rates"
    assert {path.name for path in target.iterdir()} == {"index.html", "runs.csv", "settings.csv"}
    assert (target / "index.html").read_text() == f"<td>{FOLDER}</td>"


def test_a_report_that_is_not_there_is_named(project):
    with pytest.raises(InputError, match="holds no finished report: make report PROFILE=other"):
        record.record("other")


def test_without_a_run_the_network_that_comes_with_the_project_is_used(
    project, make_spec, data_dir, monkeypatch
):
    made = run(make_spec(epochs=1))
    make_report(project, {"Problem 1": SeedRuns((made,))}, monkeypatch)
    (project / "reports" / "tiny").rename(project / "reports" / "laptop")
    record.record("laptop")
    for place in ("support", "query"):
        for name in ("a", "b"):
            (project / place / name).mkdir(parents=True)
    for i, (place, name) in enumerate((p, n) for p in ("support", "query") for n in ("a", "b")):
        shutil.copy(data_dir / "val" / f"{i + 1}.png", project / place / name)
    words = ["classify", "--output", project / "out.csv"]
    words += ["--support", project / "support", "--query", project / "query"]
    done = fewshot(*words)
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith(
        f"network: Problem 1 of laptop, which comes with the project ({made.folder.name}"
    )
    assert "mini-ImageNet, for research" in done.stderr
    shipped = (project / "out.csv").read_text()
    done = fewshot(*words, "--run", made.folder.name)
    assert "network:" not in done.stderr
    assert (project / "out.csv").read_text() == shipped


REAL = os.environ.get("FEWSHOT_MINI_IMAGENET")


@pytest.mark.skipif(not REAL, reason="FEWSHOT_MINI_IMAGENET names no folder with mini-ImageNet")
@pytest.mark.timeout(3600)  # twelve runs on 10,000 episodes
def test_the_recorded_laptop_report_is_what_its_weights_say():
    done = fewshot("verify", ROOT / "reports" / "reference" / "laptop", "--data-dir", REAL)
    assert done.exit_code == 0, done.stdout
    assert " 0 differ" in done.stdout
