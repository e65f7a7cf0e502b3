"""The page that puts runs beside each other, and its short form for the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.comparison import JudgedRun, judge, unique_names
from fewshot_lib.experiments.lookup import find_entries
from fewshot_lib.experiments.runs import Run
from fewshot_lib.files import output_file, project_root, write_text
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.progress import duration
from fewshot_lib.report.pages import Row, curves, difference_cells, render_page, shared_values
from fewshot_lib.spec.words import (
    differing_values,
    episode_shape,
    episodes_in_words,
    short_names,
    value_text,
)


def make_comparison(
    arguments: Sequence[str], n_episodes: int, output: Path | None
) -> tuple[str, Path]:
    """Write the page of these runs and reports.

    Args:
        arguments: as of ``lookup.find_entries``.
        n_episodes: test episodes behind each accuracy.
        output: the HTML file; ``reports/compare.html`` by default.

    Returns:
        The accuracies as a text table, and the page's path.

    Raises:
        InputError: a run cannot be found or read, or the page cannot be written.
    """
    entries, missing = find_entries(arguments)
    page = output_file(output or project_root() / "reports" / "compare.html")
    names = unique_names(entries)
    judged = [judge(entry.run, n_episodes) for entry in entries]
    rows = [_accuracy_row(name, j, judged[0]) for name, j in zip(names, judged, strict=True)]
    runs = dict(zip(names, (entry.run for entry in entries), strict=True))
    values = _page_values(runs, rows, missing, n_episodes, page.name)
    html = render_page("compare.html.j2", **values)
    try:
        write_text(page, html)
    except OSError as error:
        raise InputError(f"output {page} cannot be written: {error.strerror}") from None
    return _text_table(rows, missing, n_episodes), page


def _page_values(
    runs: Mapping[str, Run], rows: list[Row], missing: list[str], n_episodes: int, href: str
) -> dict[str, Any]:
    """What the template shows."""
    specs = [run.spec for run in runs.values()]
    return {
        **shared_values("Runs compared", href, specs),
        "names": short_names(list(runs)),
        "rows": rows,
        "shapes": sorted({row["shape"] for row in rows}),
        "missing": missing,
        "n_episodes": n_episodes,
        "parameters": {
            name: list(map(value_text, v)) for name, v in differing_values(specs).items()
        },
        "curves": curves(runs),
        "costs": [_cost_row(name, run) for name, run in runs.items()],
    }


def _accuracy_row(name: str, judged: JudgedRun, first: JudgedRun) -> Row:
    """What the page and the terminal tell of one run's accuracy."""
    run, result = judged.run, judged.run.result
    best = Interval(result["val_accuracy"], result["val_ci95"], run.spec.episodes_val)
    row = {
        "name": name,
        "folder": run.folder.name,
        "best_epoch": result["best_epoch"],
        "epochs": run.spec.epochs,
        "validation": str(best),
        "shape": episodes_in_words(*episode_shape(run.spec)),
        "test": "–" if judged.evaluation is None else str(judged.evaluation.accuracy),
        "note": judged.note,
    }
    return row | difference_cells("–" if judged is first else judged.gap(first))


def _cost_row(name: str, run: Run) -> Row:
    return {
        "name": name,
        "parameters": f"{run.result['parameters']:,}",
        "epochs": run.spec.epochs,
        "epoch_seconds": f"{run.epoch_seconds.mean:.2f}",
        "total": duration(run.result["seconds"]),
        "device": run.result.get("device", "–"),
    }


def _text_table(rows: list[Row], missing: Iterable[str], n_episodes: int) -> str:
    """The accuracies, one run a line, then what there is to know about them."""
    frame = pd.DataFrame(
        {
            "run": row["name"],
            "validation": row["validation"],
            f"{n_episodes:,} test episodes": row["test"],
            "difference to the first": f"{row['difference']} {row['sign']}".rstrip(),
        }
        for row in rows
    )
    notes = [f"{row['name']}: {row['note']}" for row in rows if row["note"]]
    gone = [f"left out: {name}, whose run is gone" for name in missing]
    return "\n".join([frame.to_string(index=False), *notes, *gone])
