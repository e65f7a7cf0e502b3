"""Paths: found from anywhere, written whole or not at all, by one process at a time."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from fewshot_lib.files import (
    atomic_file,
    cache_folder,
    from_root,
    hold_lock,
    project_root,
    runs_folder,
    write_text,
)


def test_the_environment_names_the_root(project):
    assert project_root() == project
    assert cache_folder().is_relative_to(project)
    assert runs_folder().is_relative_to(project)


def test_without_it_the_root_is_the_checkout_wherever_one_is(monkeypatch, tmp_path):
    monkeypatch.delenv("FEWSHOT_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert project_root() == Path(__file__).resolve().parent.parent


def test_paths_of_the_user_start_at_the_root_or_at_home(project, monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert from_root("data/x") == project / "data" / "x"
    assert from_root("~/x") == Path("/somewhere/x")
    assert from_root("/x") == Path("/x")


def test_text_is_written_and_replaced_in_folders_made_for_it(tmp_path):
    path = tmp_path / "new" / "folder" / "note.txt"
    for text in ("zwölf", "elf"):
        write_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


def test_the_old_content_is_there_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("old", ["old", None])
def test_a_failure_changes_nothing_and_leaves_nothing(tmp_path, error, old):
    path = tmp_path / "note.txt"
    if old:
        path.write_text(old)
    with pytest.raises(error), atomic_file(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    left = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert left == ({"note.txt": "old"} if old else {})


HOLDER = """
import sys, time
from pathlib import Path
from fewshot_lib.files import hold_lock
with hold_lock(Path(sys.argv[1]), "a"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(lock):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_free_lock_is_taken_in_silence(tmp_path, capsys):
    for _ in range(2):
        with hold_lock(tmp_path / "lock", "training a"):
            pass
    assert capsys.readouterr().err == ""


def test_the_second_waits_for_the_first_and_says_so(tmp_path, capsys):
    process = holder(tmp_path / "lock")
    released = subprocess.Popen(["sleep", "0.3"])
    while released.poll() is None:
        time.sleep(0.01)
    process.stdin.close()
    with hold_lock(tmp_path / "lock", "training a"):
        process.wait(timeout=10)


def test_a_holder_that_is_killed_holds_nothing(tmp_path):
    process = holder(tmp_path / "lock")
    process.kill()
    process.wait()
    with hold_lock(tmp_path / "lock", "training a"):
        pass
