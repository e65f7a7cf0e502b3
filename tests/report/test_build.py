"""The command from its parameters to its pages, with small notebooks and real kernels."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner
from nbformat import write
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from report_project import write_notebook, write_params

from fewshot_lib import files
from fewshot_lib.cli.main import main
from fewshot_lib.spec.problems import NOTEBOOKS

CHECKOUT = Path(files.__file__).parent.parent
RAISES = "from fewshot_lib.errors import InputError\nraise InputError('n_way=9: too many')"

READS_STATES = """import json, os
from pathlib import Path
run = json.loads((Path(os.environ["FEWSHOT_REPORT"]) / "run.json").read_text())
print([entry["state"] for entry in run["notebooks"].values()])"""


@pytest.fixture
def small(project: Path) -> Path:
    """Two notebooks that do nothing, and a profile."""
    for name in ("problem1", "problem2"):
        write_notebook(project, name, ["## Result", "print(epochs)"])
        write_params(project, "quick", name, "epochs: 2")
    return project


def report(*arguments: str, only: str = "problem1,problem2"):
    return CliRunner().invoke(main, ["report", "--only", only, *arguments])


def states(folder: Path) -> dict[str, str]:
    entries = json.loads((folder / "run.json").read_text())["notebooks"]
    return {name: entry["state"] for name, entry in entries.items()}


def test_a_report_from_beginning_to_end(small):
    result = report("--set", "epochs=4")
    folder = small / "reports" / "quick"
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == str(folder / "index.html")
    assert states(folder) == {"problem1": "complete", "problem2": "complete"}
    entry = json.loads((folder / "run.json").read_text())["notebooks"]["problem1"]
    assert entry["parameters"]["epochs"] == 4
    assert entry["seconds"] > 0
    page = BeautifulSoup((folder / f"{NOTEBOOKS['problem2']}.html").read_text(), "html.parser")
    assert page.select_one("pre.text").get_text().strip() == "4"
    assert page.select_one("a[rel=prev]")["href"] == f"{NOTEBOOKS['problem1']}.html"
    assert "quick" in page.footer.get_text()
    check_links(folder)


def check_links(folder: Path) -> None:
    """Every link between pages leads somewhere."""
    pages = {p.name: BeautifulSoup(p.read_text(), "html.parser") for p in folder.glob("*.html")}
    for name, page in pages.items():
        for link in page.select("a[href]"):
            href, _, anchor = link["href"].partition("#")
            assert not anchor or pages[href or name].find(id=anchor), link["href"]
            assert (href or name) in pages


@pytest.mark.parametrize(("code", "exit_code"), [("1 / 0", 1), (RAISES, 2)])
def test_one_failure_does_not_stop_the_others(small, code, exit_code):
    write_notebook(small, "problem1", [code])
    result = report()
    folder = small / "reports" / "quick"
    assert result.exit_code == exit_code
    assert states(folder) == {"problem1": "failed", "problem2": "complete"}
    lines = [line for line in result.stderr.splitlines() if "failed" in line]
    assert len(lines) == 1
    assert lines[0].startswith("[1/2] problem1: failed: ")
    assert f"{NOTEBOOKS['problem1']}.ipynb" in lines[0]
    notice = BeautifulSoup((folder / "index.html").read_text(), "html.parser").select_one(".notice")
    assert "(failed)" in notice.get_text()


def test_only_keeps_what_earlier_calls_made(small):
    report(only="problem1")
    report(only="problem2")
    assert states(small / "reports" / "quick") == {"problem1": "complete", "problem2": "complete"}


def test_nothing_begins_when_a_parameter_is_wrong(small):
    write_params(small, "quick", "problem2", "epoch: 2")
    result = report()
    assert result.exit_code == 2
    assert result.stderr.startswith("fewshot: params/quick, problem2: unknown parameter")
    assert result.stderr.count("\n") == 1
    assert not (small / "reports").exists()


def test_output_that_cannot_be_written(small):
    (small / "file").touch()
    result = report("--output", str(small / "file" / "folder"))
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)
    result = report("--output", str(small / "notebooks"))
    assert (result.exit_code, "name another folder" in result.stderr) == (2, True)


def heed_interrupts() -> None:
    """Tests that run in a shell's background inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(small, number):
    started = small / "started"
    code = f"from pathlib import Path\nPath({str(started)!r}).touch()\nimport time\ntime.sleep(60)"
    write_notebook(small, "problem1", [code])
    command = [
        sys.executable,
        "-m",
        "fewshot_lib.cli.main",
        "report",
        "--only",
        "problem1,problem2",
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ, preexec_fn=heed_interrupts
    )
    while not started.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    assert "fewshot: interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert set(states(small / "reports" / "quick").values()) == {"interrupted"}


def test_a_report_that_was_killed_counts_as_interrupted(small):
    folder = small / "reports" / "quick"
    folder.mkdir(parents=True)
    entries = {"problem1": {"state": "running"}}
    (folder / "run.json").write_text(json.dumps({"notebooks": entries}))
    report(only="problem2")
    assert states(folder) == {"problem1": "interrupted", "problem2": "complete"}


def test_two_reports_at_once_take_turns_and_the_second_says_so(small):
    started, go = small / "started", small / "go"
    code = (
        f"from pathlib import Path\nimport time\nPath({str(started)!r}).touch()\n"
        f"while not Path({str(go)!r}).exists():\n    time.sleep(0.05)"
    )
    write_notebook(small, "problem1", [code])
    command = [sys.executable, "-m", "fewshot_lib.cli.main", "report", "--only", "problem1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, env=os.environ, **pipes)
    while not started.exists() and first.poll() is None:
        time.sleep(0.05)
    second = subprocess.Popen(command, env=os.environ, **pipes)
    waiting = second.stderr.readline()
    go.touch()
    first.communicate(timeout=60)
    second.communicate(timeout=60)
    assert "another process is at it" in waiting
    assert (first.returncode, second.returncode) == (0, 0)
    assert states(small / "reports" / "quick") == {"problem1": "complete"}


@pytest.fixture
def tiny_disk(tmp_path) -> Path:
    """A file system of 9 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_and_finished_runs_are_kept(tiny_disk, monkeypatch):
    for name in ("notebooks", "params"):
        (tiny_disk / name).symlink_to(CHECKOUT / name)
    monkeypatch.setenv("FEWSHOT_ROOT", str(tiny_disk))
    result = report("--set", "images_per_class=20", "--output", str(tiny_disk / "out"), "smoke")
    assert result.exit_code == 1
    assert "failed: the disk is full: make room and start again" in result.stderr
    assert "Traceback" not in result.stderr
    notice = BeautifulSoup((tiny_disk / "out" / "index.html").read_text(), "html.parser")
    assert "(failed)" in notice.select_one(".notice").get_text()


def test_a_summary_notebook_becomes_the_front_page(small, monkeypatch):
    monkeypatch.setitem(NOTEBOOKS, "summary", "0_summary")
    cells = [new_markdown_cell("# Findings"), new_code_cell(READS_STATES)]
    write(new_notebook(cells=cells), small / "notebooks" / "0_summary.ipynb")
    result = report()
    folder = small / "reports" / "quick"
    assert result.exit_code == 0, result.stderr
    soup = BeautifulSoup((folder / "index.html").read_text(), "html.parser")
    assert soup.h1.get_text().startswith("Findings")
    assert soup.select_one("pre.text").get_text().strip() == "['complete', 'complete', 'running']"
    assert soup.select_one("a[rel=next]")["href"] == f"{NOTEBOOKS['problem1']}.html"


def test_a_missing_or_damaged_notebook_is_wrong_input(small):
    path = write_notebook(small, "problem1", [])
    path.write_text("{")
    result = report()
    assert (result.exit_code, "cannot be read as a notebook" in result.stderr) == (2, True)
    path.unlink()
    result = report()
    assert (result.exit_code, "there is no notebook" in result.stderr) == (2, True)
