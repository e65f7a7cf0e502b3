"""Folders of runs and reports: what marks them, and which one a name means.

Nothing here needs torch, so that a misspelt name is answered at once.
"""

import json
from difflib import get_close_matches
from pathlib import Path

from fewshot_lib.errors import InputError, did_you_mean
from fewshot_lib.files import project_root, runs_folder

SPEC, RESULT = "spec.yaml", "result.json"  # every run has the first, a finished one both
DATA = "data.txt"  # of a run: digest of the images it is made from
STATUS = "run.json"  # every report, which keeps its accuracies in a RESULT too
HEADLINE = "headline.json"  # a complete one
_BEST = "best"  # run of a report
_FOR_PHOTOGRAPHS = ("tuned", "laptop")  # profiles on mini-ImageNet, the best first


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
    hashes = [p.parent.name for p in runs_folder().glob(f"*/{RESULT}")]
    known = [p.parent.name for p in reports.glob(f"*/{STATUS}")]
    known += get_close_matches(path.name, hashes, n=1)
    hint = did_you_mean(path.name, known) if known else " (make a report: fewshot report)"
    raise InputError(f"there is no run or report '{name}'{hint}")


def shipped_file(report: Path, run: str) -> Path:
    """Where a recorded report keeps the weights of a run: they come with the project.

    Files are named as the runs are in ``result.json`` and ``headline.json``: by their hashes,
    which tell seeds and methods apart.
    """
    return report / "weights" / f"{Path(run).name}.safetensors"


def shipped_files(report: Path) -> list[Path]:
    """All weights that a recorded report keeps."""
    return sorted(report.glob("weights/*.safetensors"))


def shipped_network() -> Path | None:
    """The weights for photographs that came with the project: Problem 1 of the best report."""
    for profile in _FOR_PHOTOGRAPHS:
        report = project_root() / "reports" / "reference" / profile
        if not (report / HEADLINE).is_file():
            continue
        for entry in json.loads((report / HEADLINE).read_text("utf-8")).get("val", []):
            file = shipped_file(report, entry["runs"][0])
            if entry["method"] == "Problem 1" and file.is_file():
                return file
    return None


def find_network(run: str | None, profile: str | None, problem: int | None) -> Path:
    """Where the network lies that a command is asked to use.

    Args:
        run: a run's folder or hash, a weights file, or ``best`` of a report.
        profile, problem: of which report, and of which problem in it, ``best`` is meant.

    Returns:
        A weights file, the folder of a run, or the folder of a report. If nothing is asked for,
        the network that came with the project, if one did.

    Raises:
        InputError: there is no such run or report.
    """
    asked = run is not None or profile is not None or problem is not None
    if not asked and (shipped := shipped_network()):
        return shipped
    if run in (None, _BEST):
        return find_folder(profile or "quick")
    path = Path(run).expanduser()
    return path if path.is_file() or path.is_dir() or path.suffix else find_folder(run)
