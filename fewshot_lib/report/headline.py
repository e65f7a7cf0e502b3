"""A report's result in a few numbers, and the table of all recorded reports."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewshot_lib.experiments import folders
from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.files import project_root, write_text
from fewshot_lib.learning.intervals import Interval, points
from fewshot_lib.networks.calibration import CALIBRATED
from fewshot_lib.notebook.published import TEST_CASES, data_in_words, others_values, protocol

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
    path = Path(folder) / folders.HEADLINE
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


def _results_table() -> str:
    """Markdown of all recorded headlines, beside the original's and published values."""
    head = "| data, classes | method | original | published | this project | − Problem 1 | runs |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *_rows()])


def _rows() -> Iterator[str]:
    """A line for each method of each report: on its test classes, where it has judged any.

    The original is compared with on the course's test cases, which it was judged on.
    """
    for path in sorted((project_root() / "reports" / "reference").glob(f"*/{folders.HEADLINE}")):
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
