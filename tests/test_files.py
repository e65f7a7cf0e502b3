"""Paths: found from anywhere, written whole or not at all."""

from pathlib import Path

import pytest

from fewshot_lib.files import (
    atomic_file,
    cache_folder,
    from_root,
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
