"""What ``--run`` means: a run's folder, a weights file, or the best run of a report."""

import json
from pathlib import Path

from fewshot_lib.checkpoints import WEIGHTS
from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.experiments import Run
from fewshot_lib.paths import project_root
from fewshot_lib.problems import ReportParams
from fewshot_lib.report.status import STATUS
from fewshot_lib.report.summary import complete_params, headline_specs
from fewshot_lib.stored import stored_run

BEST = "best"


def weights_file(run: str, profile: str = "quick", problem: int | None = None) -> Path:
    """The weights file that ``run`` stands for.

    Args:
        run: a folder of ``reports/runs/``, a weights file, or ``best``.
        profile, problem: of which report, and of which problem in it, ``best`` is meant.

    Raises:
        InputError: there is no such report, or it has no finished run.
    """
    if run == BEST:
        return best_run(profile, problem).folder / WEIGHTS
    path = Path(run).expanduser()
    return path / WEIGHTS if path.is_dir() else path


def best_run(profile: str, problem: int | None = None) -> Run:
    """The main run with the highest validation accuracy, of one problem or of the whole report."""
    specs = headline_specs(report_params(profile))
    name = f"Problem {problem}"
    chosen = specs.values() if problem is None else [specs[name]] if name in specs else []
    runs = [run for run in map(stored_run, chosen) if run is not None]
    if not runs:
        what = "" if problem is None else f"{name} of "
        only = "" if problem is None else f" --only problem{problem}"
        raise InputError(
            f"{what}report '{profile}' is not finished: fewshot report {profile}{only}"
        )
    return max(runs, key=lambda run: run.result["val_accuracy"])


def report_params(profile: str) -> dict[str, ReportParams]:
    """Parameters of the report's finished problems, by name.

    Raises:
        InputError: there is no such report, or its ``run.json`` is not as this version writes it.
    """
    notebooks = report_notebooks(profile)
    try:
        return complete_params(notebooks)
    except (AttributeError, KeyError, TypeError, InputError):
        path = project_root() / "reports" / profile / STATUS
        raise InputError(f"{path} is damaged: make the report again") from None


def report_notebooks(profile: str) -> dict[str, dict]:
    """What the report's ``run.json`` tells of each notebook."""
    reports = project_root() / "reports"
    path = reports / profile / STATUS
    try:
        return json.loads(path.read_text("utf-8"))["notebooks"]
    except FileNotFoundError:
        there = [p.parent.name for p in reports.glob(f"*/{STATUS}")]
        hint = did_you_mean(profile, there) if there else f" (make it: fewshot report {profile})"
        raise InputError(f"there is no report '{profile}'{hint}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged: make the report again") from None
