"""Folders of runs and reports: what marks them, and which one a name means.

Nothing here needs torch, so that a misspelt name is answered at once.
"""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.files import project_root, runs_folder

SPEC, RESULT = "spec.yaml", "result.json"  # every run has the first, a finished one both
STATUS = "run.json"  # every report


def find_folder(name: str) -> Path:
    """The folder of a run or of a report.

    Args:
        name: the folder's path, the hash of a run, or the name of a report.

    Raises:
        InputError: there is none.
    """
    reports, path = project_root() / "reports", Path(name).expanduser()
    folders = [base / path for base in (Path(), project_root(), runs_folder(), reports)]
    for folder in folders:
        if (folder / SPEC).is_file() or (folder / STATUS).is_file():
            return folder
    if there := next((folder for folder in folders if folder.is_dir()), None):
        raise InputError(f"{there} is no run (no {SPEC}) and no report (no {STATUS})")
    known = [p.parent.name for p in reports.glob(f"*/{STATUS}")]
    hashes = [p.parent.name for p in runs_folder().glob(f"*/{RESULT}")]
    hint = did_you_mean(path.name, known + get_close_matches(path.name, hashes, n=1))
    raise InputError(f"there is no run or report '{name}'{hint if known or hashes else ''}")


def report_folder(profile: str) -> Path:
    """The report of this name.

    Raises:
        InputError: there is none.
    """
    reports = project_root() / "reports"
    if not (reports / profile / STATUS).is_file():
        there = [path.parent.name for path in reports.glob(f"*/{STATUS}")]
        hint = did_you_mean(profile, there) if there else f" (make it: fewshot report {profile})"
        raise InputError(f"there is no report '{profile}'{hint}")
    return reports / profile


def read_notebooks(report: Path) -> dict[str, dict[str, Any]]:
    """What the report's ``run.json`` tells of each notebook, by name.

    Raises:
        InputError: the file is damaged.
    """
    path = report / STATUS
    try:
        notebooks = json.loads(path.read_text("utf-8"))["notebooks"]
        if all(isinstance(entry, dict) for entry in notebooks.values()):
            return notebooks
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{path} is damaged: make the report again")
