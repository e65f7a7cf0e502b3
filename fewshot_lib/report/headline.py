"""A report's result in a few numbers, and the table of all recorded reports.

``python -m fewshot_lib.report.headline PROFILE`` records ``reports/PROFILE`` in
``reports/reference/`` and brings the table in that folder's README up to date; without a profile
only the latter.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import STATUS
from fewshot_lib.experiments.ledger import RESULTS
from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.files import project_root, write_text
from fewshot_lib.learning.calibration import CALIBRATED
from fewshot_lib.learning.intervals import Interval, points
from fewshot_lib.notebook.published import TEST_CASES, data_in_words, others_values, protocol

FILE = "headline.json"
BEGIN, END = "<!-- results: made by make record -->", "<!-- results end -->"
_NOTHING = "–"
_CLASSES = {"test": "test", "val": "validation", TEST_CASES: "the course's test cases"}


def keep(
    runs: Mapping[str, SeedRuns],
    accuracies: Mapping[str, Interval],
    gaps: Mapping[str, Interval],
    classes: str,
) -> None:
    """Write accuracies beside the pages of the report that is being made, if any.

    Args:
        accuracies, gaps: by method, and paired differences to Problem 1, as of ``summary``.
        classes: as of ``published.others_values``.
    """
    if not (folder := os.environ.get("FEWSHOT_REPORT")):
        return
    path = Path(folder) / FILE
    kept = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    kept[classes] = [
        {
            "method": name,
            "runs": [run.folder.name for run in runs[name.removesuffix(CALIBRATED)].seeds],
            "accuracy": accuracy,
            "against Problem 1": gaps.get(name),
        }
        for name, accuracy in accuracies.items()
    ]
    spec = next(iter(runs.values())).spec
    kept |= {"data": data_in_words(spec), "protocol": protocol(spec)}
    write_text(path, json.dumps(kept, indent=1) + "\n")


def record(profile: str) -> None:
    """Copy a finished report's pages and numbers to ``reports/reference/``.

    The folder of its images is called FOLDER there.

    Raises:
        InputError: there is no finished report of this profile.
    """
    folder = project_root() / "reports" / profile
    if not (folder / FILE).is_file():
        raise InputError(f"{folder} holds no finished report: make report PROFILE={profile}")
    target = project_root() / "reports" / "reference" / profile
    target.mkdir(parents=True, exist_ok=True)
    own = _own_folders(json.loads((folder / STATUS).read_text("utf-8")))
    for path in [*folder.glob("*.html"), *(folder / name for name in (RESULTS, STATUS, FILE))]:
        text = path.read_text("utf-8")
        for name in own:
            text = text.replace(name, "FOLDER")
        write_text(target / path.name, text)


def _own_folders(status: Mapping[str, Any]) -> set[str]:
    """Where the images of a report lie on its maker's machine, which is nobody else's concern."""
    parameters = [notebook.get("parameters", {}) for notebook in status["notebooks"].values()]
    folders = {some.get("data_dir") for some in parameters} - {None}
    return {name for name in folders if Path(name).is_absolute()}


def _results_table() -> str:
    """Markdown of all recorded headlines, beside the original's and published values."""
    head = "| data, classes | method | original | published | this project | − Problem 1 | runs |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *_rows()])


def _rows() -> Iterator[str]:
    """A line for each method of each report: on its test classes, where it has judged any.

    The original is compared with on the course's test cases, which it was judged on.
    """
    for path in sorted((project_root() / "reports" / "reference").glob(f"*/{FILE}")):
        kept = json.loads(path.read_text("utf-8"))
        test = kept.get("protocol", "5-way 1-shot")  # which recorded reports go without
        for classes in ("test" if "test" in kept else "val", TEST_CASES):
            page = f"{path.parent.name}/index.html"
            where = f"[{kept['data']}]({page}), {_CLASSES[classes]}, {test}"
            others = others_values(kept["data"], test, classes)
            for entry in kept.get(classes, []):
                yield _row(where, entry, *others)


def _row(
    where: str, entry: dict[str, Any], original: Mapping[str, str], published: Mapping[str, str]
) -> str:
    """One method's line."""
    method, gap = entry["method"], entry["against Problem 1"]
    mean, ci95, n = entry["accuracy"]
    cells = [
        where,
        method,
        original.get(method, _NOTHING),
        published.get(method, _NOTHING),
        f"{100 * mean:.2f} ± {100 * ci95:.2f} ({n:,} episodes)",
        points(Interval(*gap)) if gap else _NOTHING,
        ", ".join(f"`{name}`" for name in entry["runs"]),
    ]
    return f"| {' | '.join(cells)} |"


def updated(readme: str) -> str:
    """The text with the table as it should be."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_results_table()}\n{END}{after}"


def main(profiles: list[str]) -> None:
    """Record these reports and bring the table of all up to date."""
    for profile in profiles:
        record(profile)
    path = project_root() / "reports" / "reference" / "README.md"
    write_text(path, updated(path.read_text("utf-8")))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
