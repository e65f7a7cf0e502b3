"""The page and the tables of a sweep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from fewshot_lib.experiments.sweeps import Ranking, rank, read_settings
from fewshot_lib.files import output_folder, project_root, write_text
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook import style
from fewshot_lib.progress import duration
from fewshot_lib.report.pages import (
    INDEX,
    Row,
    curves,
    difference_cells,
    figure_box,
    render_page,
    shared_values,
)
from fewshot_lib.spec.words import episode_shape, episodes_in_words, value_text

_LONGEST = 48  # characters of a name that figures have room for
_CURVES = 8  # settings whose learning curves are drawn, the first ones


def write_sweep(
    path: Path, n_episodes: int, output: Path | None
) -> tuple[str, Path | None, Exception | None]:
    """Train, judge and rank what the file asks for; write the page and its tables.

    Args:
        n_episodes: test episodes behind each accuracy.
        output: folder; ``reports/sweeps/<name of the file>`` by default.

    Returns:
        The ranking as text, the page's path (None if nothing could be ranked), and the error of
        runs that failed.

    Raises:
        InputError: the file is wrong or the folder cannot be written to.
    """
    settings = read_settings(path)
    folder = output_folder(output or project_root() / "reports" / "sweeps" / path.stem)
    ranking = rank(settings, n_episodes)
    if not ranking.runs:
        return "", None, ranking.failure
    tables = {"settings.csv": ranking.table, "runs.csv": ranking.runs_table}
    for name, table in tables.items():
        write_text(folder / name, table.to_csv(index=False))
    rows = _rows(ranking)
    html = render_page(
        "sweep.html.j2",
        n_episodes=n_episodes,
        tables=list(tables),
        **_page_values(f"Sweep {path.stem}", ranking, rows),
    )
    write_text(folder / INDEX, html)
    return _as_text(rows), folder / INDEX, ranking.failure


def _rows(ranking: Ranking) -> list[Row]:
    """The ranking's table as people read it: one row for each setting."""
    rows = []
    for place, (runs, row) in enumerate(zip(ranking.runs, ranking.table.itertuples(), strict=True)):
        one, varied = ranking.settings[place], ranking.varied
        words = _in_words(one.changes if one.name else {k: v[place] for k, v in varied.items()})
        rows.append(
            {
                "rank": place + 1,
                "name": one.name or words or "the only setting",
                "changes": words if one.name else "",
                "accuracy": str(Interval(row.accuracy, row.ci95, row.test_episodes)),
                "validation": str(Interval(row.val_accuracy, row.val_ci95, runs.spec.episodes_val)),
                "epochs": runs.best_epochs,
                "seconds": duration(row.seconds),
                "runs": [run.folder.name for run in runs.seeds],
                **difference_cells((ranking.gap(place) or "other episodes") if place else "–"),
            }
        )
    return rows


def _in_words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())


def _page_values(title: str, ranking: Ranking, rows: list[Row]) -> Row:
    """What the template shows of any sweep."""
    specs = [run.spec for runs in ranking.runs for run in runs.seeds]
    labels = _labels(rows)
    best = {name: r.first for name, r in zip(labels, ranking.runs[:_CURVES], strict=False)}
    return {
        **shared_values(title, INDEX, specs),
        "rows": rows,
        "steps": ranking.steps,
        "n_seeds": len(ranking.runs[0].seeds),
        "shapes": sorted({episodes_in_words(*episode_shape(spec)) for spec in specs}),
        "failed": [one.name or _in_words(one.changes) for one in ranking.failed],
        "dots": _figure_html(ranking, labels),
        "curves": curves(best) if len(best) > 1 else "",
        "n_curves": len(best),
    }


def _labels(rows: Sequence[Row]) -> list[str]:
    """What figures call the settings: their names, or their numbers if a name is too long."""
    names = [row["name"] for row in rows]
    if max(map(len, names)) <= _LONGEST:
        return names
    return [f"number {row['rank']}" for row in rows]


def _figure_html(ranking: Ranking, labels: Sequence[str]) -> str:
    """Accuracies with their intervals, the first on top; strokes are single seeds."""
    style.use_style()
    figure, ax = plt.subplots(figsize=(0.7 * style.WIDTH, 0.9 + 0.3 * len(labels)))
    for i, evaluations in enumerate(ranking.evaluations):
        mean, ci95, _ = evaluations.accuracy
        ax.errorbar(100 * mean, i, xerr=100 * ci95, fmt="o", color=style.OTHERS[0], capsize=3)
        if len(evaluations.seeds) > 1:
            seeds = [100 * e.accuracy.mean for e in evaluations.seeds]
            ax.plot(seeds, [i] * len(seeds), "|", color=style.OTHERS[1], ms=9)
    # Between two dollars Matplotlib would read a formula.
    ax.set_yticks(range(len(labels)), [label.replace("$", r"\$") for label in labels])
    ax.set(xlabel="accuracy, %", ylim=(len(labels) - 0.5, -0.5))
    ax.grid(False, axis="y")
    return figure_box(figure, "accuracies", "Accuracy of each setting with its 95 % interval.")


def _as_text(rows: Sequence[Row]) -> str:
    """The ranking for the terminal."""
    frame = pd.DataFrame(
        {
            "": row["rank"],
            "accuracy": row["accuracy"],
            "difference": f"{row['difference']} {row['sign']}".rstrip(),
            "took": row["seconds"],
            "setting": row["name"],
        }
        for row in rows
    )
    return frame.to_string(index=False)
