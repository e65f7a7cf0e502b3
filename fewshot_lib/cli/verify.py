"""``fewshot verify``: compute a report's accuracies again."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("report")
@click.option("--data-dir", metavar="DIR", help="Where the images lie [default: as in the report].")
@click.pass_context
def verify(ctx: click.Context, report: str, data_dir: str | None) -> None:
    """Compute a report's accuracies anew from its weights.

    REPORT is a report's folder or its name in reports/. Weights come from the folder, if it is a
    recorded report, or from reports/runs. What differs is said, line by line, and which runs'
    weights are not there. The status is 0 if something was computed and nothing differs, else 1.
    """
    from fewshot_lib.experiments.ledger import read_accuracies

    folder, notebooks = read_accuracies(report)  # a misspelt name is told before torch is imported
    from fewshot_lib.experiments.verify import missing_runs, recompute

    accuracies = [(name, entry) for name, entries in notebooks.items() for entry in entries]
    gone = missing_runs(folder, (entry["run"] for _, entry in accuracies))
    there = [(name, entry) for name, entry in accuracies if entry["run"] not in gone]
    lines = recompute(folder, there, data_dir and str(Path(data_dir).expanduser().resolve()))
    with click.progressbar(lines, len(there), "verifying", file=sys.stderr) as progress:
        found = list(filter(None, progress))
    for line in found:
        click.echo(line)
    click.echo(f"{len(there)} accuracies computed anew, {len(found)} differ")
    if gone:
        words = "not computed, the weights of their runs are not there"
        click.echo(f"{len(accuracies) - len(there)} {words}: {', '.join(gone)}")
    ctx.exit(1 if found or not there else 0)
