"""Recording: what a finished report or sweep has made, kept with the project for others.

``python -m fewshot_lib.report.record NAME`` records ``reports/NAME`` in ``reports/reference/`` and
brings that folder's front page and the table in its README up to date; without a name only these.
"""

import json
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import (
    HEADLINE,
    RESULT,
    STATUS,
    shipped_file,
    shipped_files,
)
from fewshot_lib.experiments.ledger import read_accuracies, read_notebooks
from fewshot_lib.experiments.lookup import read_run
from fewshot_lib.files import project_root, runs_folder, write_text
from fewshot_lib.learning.weights import FOLDER, export_weights
from fewshot_lib.report import headline
from fewshot_lib.report.pages import INDEX, render_page

# Bytes of weights: the three problems' networks for 84 px are 27 MB, those for 32 px 2 MB.
_LIMIT, _LIMIT_OF_ALL = 28_000_000, 45_000_000
_RUNS = "runs.csv"  # of a sweep


def record(name: str) -> list[str]:
    """Copy a finished report or sweep to ``reports/reference``, where it is kept.

    Of a report: pages, numbers and, as far as there is room, the weights of its main runs. Of a
    sweep: page and tables. The folder of the images is called FOLDER there.

    Args:
        name: of a folder in ``reports/``: a profile, or ``sweeps/`` and the sweep's name.

    Returns:
        A line for each run whose weights are kept, or are not.

    Raises:
        InputError: there is no finished report or sweep, or its runs are others than then.
    """
    folder = project_root() / "reports" / name
    target = _reference() / name
    if (folder / HEADLINE).is_file():
        notebooks = read_notebooks(folder).values()
        data_dirs = {entry.get("parameters", {}).get("data_dir") for entry in notebooks}
        files = [*folder.glob("*.html"), *(folder / f for f in (RESULT, STATUS, HEADLINE))]
        lines = _record_weights(folder, target)
    elif (folder / _RUNS).is_file():
        runs = [read_run(runs_folder() / name) for name in pd.read_csv(folder / _RUNS)["run"]]
        data_dirs = {run.spec.data_dir for run in runs}
        files = [*folder.glob("*.html"), *folder.glob("*.csv")]
        lines = []
    else:
        raise InputError(f"{folder} holds no finished report: make report PROFILE={name}")
    for path in files:
        text = path.read_text("utf-8")
        for data_dir in data_dirs - {None}:
            text = text.replace(data_dir, FOLDER) if Path(data_dir).is_absolute() else text
        write_text(target / path.name, text)
    return lines


def _record_weights(report: Path, target: Path) -> list[str]:
    """Keep the weights of the report's main runs, the first seed of every problem first."""
    _, accuracies = read_accuracies(str(report))
    judged = {e["run"]: e["weights"] for entries in accuracies.values() for e in entries}
    headline_text = (report / HEADLINE).read_text("utf-8")
    runs = [read_run(runs_folder() / name) for name in _main_runs(json.loads(headline_text))]
    if odd := [run.folder.name for run in runs if run.weights_hash != judged[run.folder.name]]:
        raise InputError(f"run {odd[0]} has changed since: make report PROFILE={report.name}")
    for file in shipped_files(target):
        file.unlink()
    recorded = [file for other in _reference().glob("*") for file in shipped_files(other)]
    room = min(_LIMIT, _LIMIT_OF_ALL - sum(file.stat().st_size for file in recorded))
    lines = []
    for run in runs:
        file = shipped_file(target, run.folder.name)
        export_weights(run.folder / run.file, file)
        size = file.stat().st_size
        line = f"weights of {run.folder.name}, {size / 1e6:.1f} MB"
        if size <= room:
            room -= size
        else:
            file.unlink()
            line += ": left out, there is no room"
        lines.append(line)
    return lines


def _main_runs(kept: dict[str, Any]) -> Iterator[str]:
    """Names of a headline's runs, each once: all first seeds, then all second ones, …"""
    methods = [entry["runs"] for split in ("val", "test") for entry in kept.get(split, [])]
    seeds = zip_longest(*methods)
    return iter(dict.fromkeys(name for seed in seeds for name in seed if name is not None))


def _reference() -> Path:
    return project_root() / "reports" / "reference"


def _write_front_page(folder: Path) -> None:
    """The page that leads to all reports and sweeps that are recorded."""
    sweeps = sorted(path.parent.name for path in folder.glob(f"sweeps/*/{INDEX}"))
    values = {"pages": [], "here": INDEX, "provenance": {}, "title": "Recorded reports"}
    results = headline.recorded_results()
    html = render_page("recorded.html.j2", results=results, sweeps=sweeps, **values)
    write_text(folder / INDEX, html)


def main(names: list[str]) -> None:
    """Record these reports and sweeps, and bring the table of all up to date."""
    for name in names:
        for line in record(name):
            print(line)
    path = _reference() / "README.md"
    write_text(path, headline.updated(path.read_text("utf-8")))
    _write_front_page(_reference())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
