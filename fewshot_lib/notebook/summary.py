"""What the front page knows of the report it belongs to."""

import json
import os
from pathlib import Path
from typing import Any

from fewshot_lib.experiments.folders import STATUS
from fewshot_lib.experiments.lookup import complete_params
from fewshot_lib.experiments.matrix import SeedEvaluations, SeedRuns, difference
from fewshot_lib.learning.calibration import CALIBRATED
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.progress import duration
from fewshot_lib.spec.parameters import DataParams, Spec
from fewshot_lib.spec.problems import NOTEBOOKS, PROBLEMS, ReportParams
from fewshot_lib.spec.profiles import load_params


def _report_status() -> dict[str, Any]:
    """``run.json`` of the report being made; nothing when the notebook runs by itself."""
    folder = os.environ.get("FEWSHOT_REPORT")
    path = Path(folder or "") / STATUS
    return json.loads(path.read_text("utf-8")) if folder and path.is_file() else {}


def finished_params(profile: str) -> dict[str, ReportParams]:
    """Parameters of the notebooks that came to their end, by problem.

    Args:
        profile: whose parameters to take when no report is being made, as in JupyterLab.
    """
    notebooks = _report_status().get("notebooks")
    if notebooks is None:
        return load_params(profile, list(PROBLEMS))
    return complete_params(notebooks)


def evaluate_all(
    runs: dict[str, SeedRuns], n_episodes: int, split: str = "val"
) -> dict[str, SeedEvaluations]:
    """Every run judged as it is, and those of the problems with calibrated prototypes too."""
    how = {"n_episodes": n_episodes, "split": split}
    plain = {name: run.evaluate(**how) for name, run in runs.items()}
    return plain | {
        name + CALIBRATED: run.evaluate(**how, calibrated=True)
        for name, run in runs.items()
        if name.startswith("Problem")
    }


def differences_to_first(
    runs: dict[str, SeedRuns], judged: dict[str, SeedEvaluations]
) -> dict[str, Interval]:
    """Paired difference of every result to Problem 1's, where both used the same images.

    Args:
        judged: of ``evaluate_all``, on one split.
    """
    if (first := judged.get("Problem 1")) is None:
        return {}
    data = data_of(runs["Problem 1"].spec)
    return {
        name: difference(evaluations, first)
        for name, evaluations in judged.items()
        if evaluations is not first and data_of(runs[name.removesuffix(CALIBRATED)].spec) == data
    }


def data_of(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(include=set(DataParams.model_fields))


def how_it_was_made() -> dict[str, str]:
    """Profile, device, versions and durations, by name."""
    status = _report_status()
    took = {
        f"duration of {NOTEBOOKS[name]}": duration(entry["seconds"])
        for name, entry in status.get("notebooks", {}).items()
        if "seconds" in entry
    }
    return status.get("provenance", {}) | took
