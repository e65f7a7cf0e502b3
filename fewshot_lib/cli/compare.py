"""``fewshot compare``: several runs or reports on one page."""

from pathlib import Path

import click

from fewshot_lib.cli.options import PATH, episodes_option


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN_OR_REPORT...")
@episodes_option
@click.option("--output", type=PATH, help="HTML file [default: reports/compare.html].")
def compare(runs: tuple[str, ...], episodes: int, output: Path | None) -> None:
    """Show finished runs beside each other on one page.

    The page has their parameters, accuracies, learning curves and cost.

    A run is its folder or its hash in reports/runs; a report is its folder or its profile, and
    stands for its main runs. Differences are paired, to the first run named. The last line
    printed is the path of the page.
    """
    from fewshot_lib.experiments.folders import find_folder

    for name in runs:  # a misspelt one is told at once, torch takes seconds
        find_folder(name)
    from fewshot_lib.report.compare_page import make_comparison

    text, page = make_comparison(runs, episodes, output)
    click.echo(text)
    click.echo(page)
