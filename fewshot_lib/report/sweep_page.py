"""The page and the tables of a sweep."""

import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from fewshot_lib.experiments.sweeps.plan import Plan, Range, Setting, read_sweep
from fewshot_lib.experiments.sweeps.ranking import Result, runs_table, sweep, table, varied
from fewshot_lib.files import atomic_file, output_folder, project_root, write_text
from fewshot_lib.learning.intervals import Interval, points
from fewshot_lib.notebook import style
from fewshot_lib.progress import duration
from fewshot_lib.report.pages import (
    MAIN,
    SIGNS,
    Page,
    curves,
    curves_in_words,
    episodes_in_words,
    neighbours,
    render_page,
)
from fewshot_lib.report.provenance import provenance
from fewshot_lib.spec.words import equal_values, value_text

SETTINGS, RUNS, INDEX = "settings", "runs", "index.html"
LONGEST = 40  # characters of a name that figures have room for
CURVES = 6  # settings whose learning curves are drawn, the best ones

Row = dict[str, Any]


def make_sweep(
    path: Path, n_episodes: int, output: Path | None
) -> tuple[str, Path | None, Exception | None]:
    """Train, judge and rank what the file asks for.

    Args:
        n_episodes: test episodes behind each accuracy.
        output: folder; ``reports/sweeps/<name of the file>`` by default.

    Returns:
        The ranking as text, the page's path (None if nothing could be ranked), and the error of
        runs that failed.

    Raises:
        InputError: the file is wrong or the folder cannot be written to.
    """
    plan = read_sweep(path)
    folder = output_folder(output or project_root() / "reports" / "sweeps" / path.stem)
    results, failed, failure = sweep(plan, n_episodes)
    if not results:
        return "", None, failure
    write_tables(folder, {SETTINGS: table(results), RUNS: runs_table(results)})
    values = page_values(path.stem, results, failed, n_episodes) | {"sampled": sampled(plan)}
    write_text(folder / INDEX, render_page("sweep.html.j2", **values))
    return as_text(values["parameters"], values["rows"]), folder / INDEX, failure


def write_tables(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Each as CSV, and as Parquet where the package for it is installed."""
    for name, frame in tables.items():
        write_text(folder / f"{name}.csv", frame.to_csv(index=False))
        if importlib.util.find_spec("pyarrow"):
            with atomic_file(folder / f"{name}.parquet") as temporary:
                frame.to_parquet(temporary)


def page_values(
    name: str, results: Sequence[Result], failed: Sequence[Setting], n_episodes: int
) -> Row:
    """What the template shows."""
    title = f"Sweep {name}"
    specs = [run.spec for result in results for run in result.runs]
    same = {key: value_text(value) for key, value in equal_values(specs).items()}
    made = provenance("")
    del made["profile"]
    rows = ranking(results)
    names = labels(rows)
    best = {name: r.runs[0] for name, r in zip(names, results[:CURVES], strict=False)}
    return {
        "title": title,
        "parameters": list(varied(results)),
        "rows": rows,
        "n_seeds": len(results[0].runs),
        "n_episodes": n_episodes,
        "shapes": sorted({episodes_in_words(spec) for spec in specs}),
        "failed": [words_of(one.changes) for one in failed],
        "same": {key: value for key, value in same.items() if key in MAIN},
        "same_too": {key: value for key, value in same.items() if key not in MAIN},
        "dots": figure_html(results, names),
        "dots_alt": "Accuracy of each setting with its 95 % interval, best first.",
        "curves": curves(best) if len(best) > 1 else "",
        "curves_alt": curves_in_words(best),
        "n_curves": len(best),
        "width": round(style.WIDTH * style.SCREEN_DPI),
        "tables": [f"{SETTINGS}.csv", f"{RUNS}.csv"],
        "provenance": {"made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"} | made,
        **neighbours([Page(INDEX, title)], INDEX),
    }


def sampled(plan: Plan) -> str:
    """How the settings were chosen, if they were sampled."""
    if not plan.ranges:
        return ""
    words = {
        name: f"from {one.low} to {one.high}{', logarithmic' if one.log else ''}"
        if isinstance(one, Range)
        else f"one of {' · '.join(map(value_text, one))}"
        for name, one in plan.ranges.items()
    }
    return f"{plan.params.trials} trials, sampled by Optuna: " + "; ".join(
        f"{name} {text}" for name, text in words.items()
    )


def ranking(results: Sequence[Result]) -> list[Row]:
    """One row for each setting, best first."""
    columns = varied(results)
    rows = []
    for place, result in enumerate(results):
        values = [value_text(column[place]) for column in columns.values()]
        pairs = dict(zip(columns, values, strict=True))
        gap = None if place == 0 else result.minus(results[0])
        rows.append(
            {
                "rank": place + 1,
                "name": words_of(pairs) or "the only setting",
                "values": values,
                "accuracy": str(result.accuracy),
                "validation": str(result.validation),
                "epochs": ", ".join(str(run.result["best_epoch"]) for run in result.runs),
                "seconds": duration(sum(run.result["seconds"] for run in result.runs)),
                "runs": [run.folder.name for run in result.runs],
                **difference_cells(gap, place),
            }
        )
    return rows


def difference_cells(gap: Interval | None, place: int) -> Row:
    if gap is None:
        return {"difference": "other episodes" if place else "–"}
    sign, word, state = SIGNS["not confirmed" if gap.high < 0 else "undecided"]
    return {"difference": points(gap), "sign": sign, "word": word, "state": state}


def words_of(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def labels(rows: Sequence[Row]) -> list[str]:
    """What figures call the settings: their names, or their ranks if a name is too long."""
    names = [row["name"] for row in rows]
    if max(map(len, names)) <= LONGEST:
        return names
    return [f"rank {row['rank']}" for row in rows]


def figure_html(results: Sequence[Result], names: Sequence[str]) -> str:
    """Accuracies with their intervals as an SVG, best on top; small dots are single seeds."""
    style.use_style()
    figure, ax = plt.subplots(figsize=(style.WIDTH, 0.9 + 0.3 * len(results)))
    for i, result in enumerate(results):
        mean, ci95, _ = result.accuracy
        ax.errorbar(100 * mean, i, xerr=100 * ci95, fmt="o", color=style.OTHERS[0], capsize=3)
        if len(result.runs) > 1:
            seeds = [100 * e.accuracy.mean for e in result.evaluations]
            ax.plot(seeds, [i] * len(seeds), "|", color=style.OTHERS[1], ms=9)
    # Between two dollars Matplotlib would read a formula.
    ax.set_yticks(range(len(names)), [name.replace("$", r"\$") for name in names])
    ax.set(xlabel="accuracy, %", ylim=(len(names) - 0.5, -0.5))
    ax.grid(False, axis="y")
    text = style.svg(figure, salt="sweep")
    plt.close(figure)
    return text


def as_text(parameters: Sequence[str], rows: Sequence[Row]) -> str:
    """The ranking for the terminal."""
    header = ("", *parameters, "accuracy", "difference to the best", "seconds")
    lines = [header]
    for row in rows:
        sign = row.get("sign", "")
        difference = f"{row['difference']} {sign}".rstrip()
        lines.append(
            (str(row["rank"]), *row["values"], row["accuracy"], difference, row["seconds"])
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
