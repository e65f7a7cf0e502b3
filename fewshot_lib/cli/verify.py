"""``fewshot verify``: compute a report's accuracies again."""

import sys

import click


@click.command()
@click.argument("report")
@click.pass_context
def verify(ctx: click.Context, report: str) -> None:
    """Compute a report's accuracies anew from its weights.

    What differs is said, line by line. REPORT is a report's folder or its name in reports/. The
    status is 0 if nothing differs, else 1.
    """
    from fewshot_lib.experiments.ledger import read_accuracies

    _, notebooks = read_accuracies(report)  # a misspelt name is told before torch is imported
    from fewshot_lib.experiments.verify import differences

    n_entries = sum(map(len, notebooks.values()))
    with click.progressbar(length=n_entries, label="verifying", file=sys.stderr) as progress:
        found = list(differences(notebooks, lambda: progress.update(1)))
    for line in found:
        click.echo(line)
    click.echo(f"{n_entries} accuracies computed anew, {len(found)} differ")
    ctx.exit(1 if found else 0)
