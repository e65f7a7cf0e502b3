"""``fewshot verify``: compute a report's accuracies again."""

import sys

import click


@click.command()
@click.argument("report")
@click.pass_context
def verify(ctx: click.Context, report: str) -> None:
    """Compute every accuracy of a finished REPORT anew from its runs and say what differs.

    REPORT is a report's folder or its name in reports/. The status is 0 if nothing differs, else 1.
    """
    from fewshot_lib.experiments.verify import differences, read_entries

    notebooks = read_entries(report)
    n_entries = sum(map(len, notebooks.values()))
    with click.progressbar(length=n_entries, label="verifying", file=sys.stderr) as progress:
        found = list(differences(notebooks, lambda: progress.update(1)))
    for line in found:
        click.echo(line)
    click.echo(f"{n_entries} accuracies computed anew, {len(found)} differ")
    ctx.exit(1 if found else 0)
