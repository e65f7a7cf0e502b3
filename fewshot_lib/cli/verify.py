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
    from fewshot_lib.experiments.verify import Check

    check = Check(folder, notebooks, data_dir and str(Path(data_dir).expanduser().resolve()))
    with click.progressbar(length=check.n_entries, label="verifying", file=sys.stderr) as progress:
        found = list(check.differences(lambda: progress.update(1)))
    for line in found:
        click.echo(line)
    click.echo(f"{check.n_entries} accuracies computed anew, {len(found)} differ")
    if check.gone:
        words = "not computed, the weights of their runs are not there"
        click.echo(f"{check.n_gone} {words}: {', '.join(check.gone)}")
    ctx.exit(1 if found or not check.n_entries else 0)
