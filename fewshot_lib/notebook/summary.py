"""What the front page knows of the report it belongs to."""

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from fewshot_lib.experiments.folders import STATUS
from fewshot_lib.experiments.ledger import complete_params
from fewshot_lib.experiments.matrix import SeedEvaluations, SeedRuns, difference
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.networks.calibration import CALIBRATED
from fewshot_lib.progress import REPORT, duration
from fewshot_lib.spec.checks import Params
from fewshot_lib.spec.parameters import DataParams, Spec
from fewshot_lib.spec.problems import NOTEBOOKS, PROBLEMS, ReportParams
from fewshot_lib.spec.profiles import load_params


def _report_status() -> dict[str, Any]:
    """``run.json`` of the report being made; nothing when the notebook runs by itself."""
    folder = os.environ.get(REPORT)
    path = Path(folder or "") / STATUS
    return json.loads(path.read_text("utf-8")) if folder and path.is_file() else {}


class _SummaryParams(Params):
    profile: str


def finished_params(namespace: dict[str, Any]) -> dict[str, ReportParams]:
    """Parameters of the notebooks that came to their end, by problem.

    Args:
        namespace: the notebook's ``globals()``; its ``profile`` names whose parameters to take
            when no report is being made, as in JupyterLab.

    Raises:
        InputError: the notebook's parameters cell names anything else, or no profile there is.
    """
    params = _SummaryParams.from_namespace(namespace)
    notebooks = _report_status().get("notebooks")
    if notebooks is None:
        return load_params(params.profile, list(PROBLEMS))
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


def on_testcases(runs: dict[str, SeedRuns]) -> dict[str, Interval]:
    """Accuracies on the course's test cases, by method; nothing where the data has none."""
    found = {name: run.on_testcases() for name, run in runs.items()}
    return {name: accuracy for name, accuracy in found.items() if accuracy is not None}


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
    """Profile, device, versions, durations, and how the runs were trained, by name."""
    status = _report_status()
    notebooks = status.get("notebooks", {})
    took = {
        f"duration of {NOTEBOOKS[name]}": duration(entry["seconds"])
        for name, entry in notebooks.items()
        if "seconds" in entry
    }
    runs = {k: run for entry in notebooks.values() for k, run in entry.get("runs", {}).items()}
    return status.get("provenance", {}) | took | _trainings_in_words(runs.values())


def _trainings_in_words(runs: Collection[dict[str, Any]]) -> dict[str, str]:
    """How many, how long, when and by which commits; a report may find its runs finished."""
    if not runs:
        return {}
    text = f"{len(runs)} runs, {duration(sum(run['seconds'] for run in runs))} together"
    days = sorted(run["finished"][:10] for run in runs if run["finished"])
    if days:
        text += f", {days[0]}" if days[0] == days[-1] else f", {days[0]} to {days[-1]}"
    commits = sorted({run["commit"] for run in runs if run["commit"]})
    return {"training": text} | ({"trained by commit": ", ".join(commits)} if commits else {})
