"""Shared by the tests of sweeps."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fewshot_lib.cli.main import main


@pytest.fixture
def write(tmp_path, make_spec):
    """Write a sweep's file whose base is a run of a fraction of a second."""

    def write(**values) -> Path:
        derived = {"seed", "n_aug_test", "n_shot_test", "n_query"}
        small = make_spec(epochs=1, episodes_val=5).model_dump(exclude=derived)
        path = tmp_path / "trial.yaml"
        path.write_text(yaml.safe_dump({"base": small} | values))
        return path

    return write


@pytest.fixture
def sweep():
    """Call the command with these arguments and 12 episodes."""
    return lambda *given: CliRunner().invoke(main, ["sweep", "--episodes", "12", *map(str, given)])
