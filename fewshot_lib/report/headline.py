"""A report's result in a few numbers, and the table of all recorded reports."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewshot_lib.experiments import folders
from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.files import project_root, write_text
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.networks.calibration import CALIBRATED
from fewshot_lib.notebook.published import TEST_CASES, data_in_words, others_values, protocol
from fewshot_lib.progress import REPORT

_BEGIN, _END = "<!-- results: made by make record -->", "<!-- results end -->"
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
    if not (folder := os.environ.get(REPORT)):
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


def _rows() -> Iterator[str]:
    """A line for each method of each report: on its test classes, where it has judged any.

    The original is compared with on the course's test cases, which it was judged on.
    """
    for name, kept, test, classes in _recorded():
        where = f"[{name}]({name}/index.html): {kept['data']}, {_CLASSES[classes]}, {test}"
        original, published = others_values(kept["data"], test, classes)
        for entry in kept[classes]:
            method, accuracy, gap = _values(entry)
            others = original.get(method, _NOTHING), published.get(method, _NOTHING)
            ours = f"{accuracy} ({entry['accuracy'][2]:,} episodes)", gap
            runs = ", ".join(f"`{run}`" for run in entry["runs"])
            yield f"| {' | '.join([where, method, *others, *ours, runs])} |"
            where = ""  # once for all its methods


def _recorded() -> Iterator[tuple[str, dict[str, Any], str, str]]:
    """Name, headline, protocol and classes of each recorded report: test ones, if it has any."""
    for path in sorted((project_root() / "reports" / "reference").glob(f"*/{folders.HEADLINE}")):
        kept = json.loads(path.read_text("utf-8"))
        test = kept.get("protocol", "5-way 1-shot")  # which recorded reports go without
        for classes in ("test" if "test" in kept else "val", TEST_CASES):
            if classes in kept:
                yield path.parent.name, kept, test, classes


def recorded_results() -> list[dict[str, Any]]:
    """What a page of all recorded reports tells of each: name, data, rows of method and values."""
    return [
        {"name": name, "data": f"{kept['data']}, {test}", "classes": _CLASSES[classes]}
        | {"rows": [_values(entry) for entry in kept[classes]]}
        for name, kept, test, classes in _recorded()
    ]


def _values(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Method, accuracy in % and difference to Problem 1 in words."""
    (mean, ci95, _), gap = entry["accuracy"], entry["against Problem 1"]
    accuracy = f"{100 * mean:.2f} ± {100 * ci95:.2f}"
    return entry["method"], accuracy, Interval(*gap).points() if gap else _NOTHING


def updated(readme: str) -> str:
    """The text with the table of all recorded headlines as it should be."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    head = "| report | method | original | published | this project | − Problem 1 | runs |"
    table = "\n".join([head, "|---|---|---|---|---|---|---|", *_rows()])
    return f"{before}{_BEGIN}\n{table}\n{_END}{after}"
