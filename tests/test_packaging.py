"""What is declared about the project in several places says the same thing."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import fewshot_lib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def requirements(lines: list[str]) -> dict[str, SpecifierSet]:
    parsed = [Requirement(line) for line in lines]
    return {r.name.lower(): r.specifier for r in parsed}


def constraints() -> dict[str, SpecifierSet]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return requirements([line for line in lines if not line.startswith("#")])


def declared() -> dict[str, SpecifierSet]:
    """Dependencies of the project, with those of its tests."""
    return requirements(PROJECT["dependencies"] + EXTRAS["test"])


def test_every_tested_dependency_has_an_exact_version_and_nothing_else_has():
    optional = requirements([line for extra in EXTRAS.values() for line in extra])
    assert set(declared()) <= set(constraints()) <= set(declared()) | set(optional)
    for name, pin in constraints().items():
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin)), name


def test_exact_versions_lie_within_the_bounds():
    for name, bound in declared().items():
        version = str(constraints()[name]).removeprefix("==")
        assert bound.contains(version), f"{name}: {version} is outside {bound}"


def test_pyproject_holds_lower_bounds_only():
    assert {str(bound)[:2] for bound in declared().values()} == {">="}
    assert not [bound for bound in declared().values() if len(bound) != 1]


def test_conda_environment_is_python_pip_and_this_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    python, *rest = environment["dependencies"]
    assert rest == ["pip", {"pip": ["-c constraints.txt", "-e ."]}]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))


def test_versions_agree():
    assert fewshot_lib.__version__ == PROJECT["version"]


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Run make as from a shell, though these tests may themselves be run by make."""
    shell = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=folder, env=shell, capture_output=True, text=True)


@needs_make
def test_help_is_the_default_target_and_lists_every_target():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^  ([a-z]+) +\S", make().stdout, re.MULTILINE)
    assert listed == phony.split()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Makefile and what .venv depends on; its interpreter records what it is called with."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\necho "$@" >> calls\n[ "$2 $3" != "pip install" ] || [ ! -e fail ]\n'
    )
    python.chmod(0o755)
    return tmp_path


@needs_make
def test_an_installation_is_done_once_and_again_when_versions_change(checkout):
    for expected in (1, 1):
        assert make("test", f"PYTHON={sys.executable}", folder=checkout).returncode == 0
        assert (checkout / "calls").read_text().count("pip install") == expected
    os.utime(checkout / ".venv" / ".installed-tools", (0, 0))
    make("test", f"PYTHON={sys.executable}", folder=checkout)
    assert (checkout / "calls").read_text().count("pip install") == 2


@needs_make
def test_a_report_needs_no_tools_and_tools_include_what_it_needs(checkout):
    (checkout / ".venv" / "bin" / "fewshot").symlink_to(shutil.which("true"))
    for target, installed in (("report", ["."]), ("test", [".", ".[test]"]), ("report", None)):
        assert make(target, f"PYTHON={sys.executable}", folder=checkout).returncode == 0
        calls = (checkout / "calls").read_text().splitlines()
        found = [call.split()[-1] for call in calls if "pip install" in call]
        assert found == (installed or [".", ".[test]"])


@needs_make
def test_a_failed_installation_is_taken_up_again(checkout):
    (checkout / "fail").touch()
    assert make("test", f"PYTHON={sys.executable}", folder=checkout).returncode != 0
    assert "pytest" not in (checkout / "calls").read_text()
    (checkout / "fail").unlink()
    assert make("test", f"PYTHON={sys.executable}", folder=checkout).returncode == 0
    assert (checkout / "calls").read_text().count("pip install") == 2


@needs_make
def test_clean_keeps_runs_and_reference(checkout):
    for name in ("runs/abc", "reference/quick", "quick"):
        (checkout / "reports" / name).mkdir(parents=True)
    (checkout / ".cache" / "banks").mkdir(parents=True)
    assert make("clean", folder=checkout).returncode == 0
    left = {path.name for path in (checkout / "reports").iterdir()}
    assert left == {"runs", "reference"}
    assert (checkout / "reports" / "runs" / "abc").is_dir()
    assert not (checkout / ".venv").exists()
    assert not (checkout / ".cache").exists()
    assert (checkout / "Makefile").exists()


def test_notebooks_carry_no_outputs_and_the_check_would_see_them(tmp_path):
    check = [sys.executable, str(ROOT / ".ci" / "no_outputs.py")]
    notebooks = sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")))
    clean = subprocess.run([*check, *notebooks], capture_output=True, text=True)
    assert clean.returncode == 0, clean.stdout
    executed = tmp_path / "executed.ipynb"
    executed.write_text('{"cells": [{}, {"outputs": [{}], "execution_count": null}]}')
    dirty = subprocess.run([*check, str(executed)], capture_output=True, text=True)
    assert dirty.returncode == 1
    assert "executed.ipynb: cell 2" in dirty.stdout


def test_rooms_import_only_from_rooms_below_them():
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
