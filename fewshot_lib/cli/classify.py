"""``fewshot classify``: one's own photographs, sorted into one's own classes."""

import sys
from pathlib import Path

import click

from fewshot_lib.cli.options import PATH, network_options


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
    page = tool.page_beside(output)
    found = tool.classify(trained, classes, queries, means)
    with click.progressbar(found, len(queries), "classifying", file=sys.stderr) as progress:
        predictions = list(progress)
    html = as_page(trained, weights, classes, predictions)
    write_text(output, tool.as_csv(predictions))
    write_text(page, html)
    for line in _summary(tool.tally(classes, predictions)):
        click.echo(line)
    click.echo(f"table: {output}\npage: {page}")


def _summary(rows: list) -> list[str]:
    """How many images each class got and, where the truth is known, how many of them rightly."""
    from fewshot_lib.experiments.classify import accuracy_line

    accuracy = accuracy_line(rows)
    width = max(len(row.name) for row in rows)
    lines = [f"accuracy {accuracy}"] if accuracy else []
    for row in rows:
        line = f"  {row.name:<{width}}  supports {row.supports}, predicted {row.predicted}"
        lines.append(line + (f", right {row.right} of {row.known}" if row.known else ""))
    return lines
