"""``fewshot classify``: one's own photographs, sorted into one's own classes."""

import sys
from pathlib import Path
from typing import Any

import click

from fewshot_lib.cli.options import PATH, network_options
from fewshot_lib.errors import InputError


@click.command()
@network_options
@click.option("--support", required=True, type=PATH, metavar="DIR", help="One folder per class.")
@click.option(
    "--query",
    "places",
    required=True,
    multiple=True,
    type=PATH,
    metavar="DIR_OR_FILE",
    help="Images to classify; can be given several times.",
)
@click.option(
    "--output",
    default="predictions.csv",
    show_default=True,
    type=PATH,
    metavar="FILE",
    help="The table; a page with the images goes beside it.",
)
def classify(
    weights: Path, calibrated: bool, support: Path, places: tuple[Path, ...], output: Path
) -> None:
    """Classify photographs by a few examples of each class.

    Write a table (class, probability, runner-up of each image) and beside it a page that shows
    the images. Query images in folders named like the classes are scored. Probabilities are the
    network's own: at 0.9 it need not be right nine times in ten.
    """
    from fewshot_lib.experiments import classify as tool
    from fewshot_lib.files import write_text
    from fewshot_lib.learning.weights import load_trained
    from fewshot_lib.report.contact_sheet import as_page

    classes = tool.read_supports(support)
    queries = tool.read_queries(places, classes)
    trained = load_trained(weights)
    means = trained.class_means if calibrated else None
    page = _page_beside(output)
    found = tool.classify(trained, classes, queries, means)
    with click.progressbar(found, len(queries), "classifying", file=sys.stderr) as progress:
        predictions = list(progress)
    html = as_page(trained, weights, classes, predictions)
    write_text(output, _as_csv(predictions))
    write_text(page, html)
    click.echo(_summary(tool.tally(classes, predictions)))
    click.echo(f"table: {output}\npage: {page}")


def _page_beside(table: Path) -> Path:
    """The path of the page beside a table; both can be written, which is tried now.

    Raises:
        InputError: the table is no ``.csv`` file, or its folder cannot be written.
    """
    from fewshot_lib.files import output_file

    if table.suffix.lower() != ".csv":
        raise InputError(f"--output {table} must end in .csv: the page goes beside it as .html")
    page = table.with_suffix(".html")
    for path in (table, page):
        output_file(path)
    return page


def _as_csv(predictions: list) -> str:
    """The table; column ``truth`` is there if the class of any image is known."""
    import pandas as pd

    from fewshot_lib.files import spreadsheet_safe

    table = pd.DataFrame(
        {
            "file": p.picture.name,
            "class": p.label,
            "probability": f"{p.probability:.4f}",
            "runner_up": p.runner_up,
            "runner_up_probability": f"{p.runner_up_probability:.4f}",
            "truth": p.picture.truth,
        }
        for p in predictions
    )
    unknown = [] if any(table["truth"]) else ["truth"]
    return (
        table.drop(columns=unknown).map(spreadsheet_safe).to_csv(index=False, lineterminator="\n")
    )


def _summary(numbers: Any) -> str:
    """How many images each class got and, where the truth is known, how many of them rightly."""
    from fewshot_lib.experiments.classify import accuracy_line

    width = max(map(len, numbers["name"]))
    lines = [f"accuracy {accuracy}"] if (accuracy := accuracy_line(numbers)) else []
    for row in numbers.itertuples():
        line = f"  {row.name:<{width}}  supports {row.supports}, predicted {row.predicted}"
        lines.append(line + (f", right {row.right} of {row.known}" if row.known else ""))
    return "\n".join(lines)
