"""Reports that go to a storage: what is sent, in which order, and what is said if it cannot be."""

import sys
from pathlib import Path

import fsspec
import pytest
from click.testing import CliRunner
from report_project import write_notebook, write_params

from fewshot_lib.cli.main import main
from fewshot_lib.errors import InputError
from fewshot_lib.report.send import require_writable, send
from fewshot_lib.spec.problems import NOTEBOOKS

PAGE = f"{NOTEBOOKS['problem1']}.html"
FILES = {"index.html", PAGE, f"{NOTEBOOKS['problem1']}.ipynb", "run.json", "result.json"}


@pytest.fixture
def memory():
    """Storage in memory, empty at first."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


@pytest.fixture
def small(project: Path) -> Path:
    write_notebook(project, "problem1", ["## Result", "print(epochs)"])
    write_params(project, "quick", "problem1", "epochs: 2")
    return project


def report(output: str):
    return CliRunner().invoke(main, ["report", "--only", "problem1", "--output", output])


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "finished"
    folder.mkdir()
    for name in ("index.html", "a.html", "z.ipynb", ".lock"):
        (folder / name).write_text(f"content of {name} é", encoding="utf-8")
    (folder / "folder").mkdir()
    return folder


def test_a_report_is_made_here_and_all_of_it_is_sent(small, memory):
    result = report("memory://bucket/reports/mine/")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "memory://bucket/reports/mine/index.html"
    here = small / "reports" / "quick"
    sent = {Path(path).name: memory.cat_file(path) for path in memory.find("/bucket")}
    assert set(sent) == FILES
    assert sent == {name: (here / name).read_bytes() for name in FILES}


def test_a_report_that_failed_is_sent_with_what_there_is(small, memory):
    write_notebook(small, "problem1", ["1 / 0"])
    result = report("memory://bucket")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in memory.cat_file(f"/bucket/{PAGE}").decode()


def test_what_cannot_be_written_to_is_found_out_before_anything_runs(small, tmp_path):
    (tmp_path / "file").touch()
    for output in (f"file://{tmp_path}/file/folder", "nobody://knows"):
        result = report(output)
        assert result.exit_code == 2
        assert result.output.startswith(f"fewshot: output {output} cannot be written to: ")
        assert result.output.count("\n") == 1
    assert not (small / "reports").exists()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match=r"output s3://bucket/x .*: Install s3fs to access S3"):
        require_writable("s3://bucket/x")


def test_hidden_files_and_folders_stay(finished, tmp_path):
    url = f"file://{tmp_path}/there/"
    require_writable(url)
    assert send(finished, url) == f"file://{tmp_path}/there/index.html"
    there = {path.name: path.read_text("utf-8") for path in (tmp_path / "there").iterdir()}
    names = ("a.html", "z.ipynb", "index.html")
    assert there == {name: f"content of {name} é" for name in names}


def test_what_goes_wrong_on_the_way_is_told_with_the_place_of_the_report(finished, tmp_path):
    (tmp_path / "there" / "index.html").mkdir(parents=True)
    with pytest.raises(InputError, match=f"the report is in {finished}, but cannot be sent"):
        send(finished, f"file://{tmp_path}/there")
