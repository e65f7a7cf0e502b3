"""What the front page knows of the report it belongs to."""

import json
import os
from pathlib import Path
from typing import Any

from fewshot_lib.calibration import CALIBRATED
from fewshot_lib.evaluation import Interval
from fewshot_lib.findings import difference
from fewshot_lib.problems import NOTEBOOKS, PROBLEMS, ReportParams
from fewshot_lib.progress import duration
from fewshot_lib.report.params import load_params
from fewshot_lib.report.status import COMPLETE, STATUS
from fewshot_lib.seeded import SeedEvaluations, SeedRuns
from fewshot_lib.spec import DataParams, Spec


def report_status() -> dict[str, Any]:
    """``run.json`` of the report being made; nothing when the notebook runs by itself."""
    folder = os.environ.get("FEWSHOT_REPORT")
    path = Path(folder or "") / STATUS
    return json.loads(path.read_text("utf-8")) if folder and path.is_file() else {}


def finished_params(profile: str) -> dict[str, ReportParams]:
    """Parameters of the notebooks that came to their end, by problem.

    Args:
        profile: whose parameters to take when no report is being made, as in JupyterLab.
    """
    notebooks = report_status().get("notebooks")
    if notebooks is None:
        return load_params(profile, list(PROBLEMS))
    return complete_params(notebooks)


def complete_params(notebooks: dict[str, dict[str, Any]]) -> dict[str, ReportParams]:
    """Parameters of the problems that ``run.json`` calls complete, by name."""
    return {
        name: PROBLEMS[name].check(notebooks[name]["parameters"])
        for name in PROBLEMS
        if notebooks.get(name, {}).get("state") == COMPLETE
    }


def headline_specs(params: dict[str, ReportParams]) -> dict[str, Spec]:
    """The main run of every finished problem, and Problem 3's other variants."""
    specs = {f"Problem {name[-1]}": p.main_spec() for name, p in params.items()}
    if "problem3" in params:
        variants = {"AFHN": "afhn", "Mixed": "mixed"}
        specs |= {name: params["problem3"].adversarial(v) for name, v in variants.items()}
    return specs


def headline_seeds(params: dict[str, ReportParams]) -> dict[tuple[str, int], Spec]:
    """The same runs with every seed of their problem, by name and seed."""
    parts = [p.seeded(headline_specs({name: p})) for name, p in params.items()]
    return {key: spec for part in parts for key, spec in part.items()}


def judge(
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


def gaps_to_first(
    runs: dict[str, SeedRuns], judged: dict[str, SeedEvaluations]
) -> dict[str, Interval]:
    """Paired difference of every result to Problem 1's, where both used the same images.

    Args:
        judged: of ``judge``, on one split.
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
    status = report_status()
    took = {
        f"duration of {NOTEBOOKS[name]}": duration(entry["seconds"])
        for name, entry in status.get("notebooks", {}).items()
        if "seconds" in entry
    }
    return status.get("provenance", {}) | took
