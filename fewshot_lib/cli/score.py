"""``fewshot score``: how good predictions are."""

from pathlib import Path

import click

from fewshot_lib.cli.options import PATH


@click.command()
@click.argument("predictions", type=PATH)
@click.argument("truth", type=PATH)
def score(predictions: Path, truth: Path) -> None:
    """Print the accuracy of predicted test cases.

    PREDICTIONS is a file of `fewshot predict`, TRUTH the right answers. Both CSV files have the
    columns episode_id,query0,query1,…
    """
    from fewshot_lib.data.testcases import score as score_files

    click.echo(score_files(predictions, truth))
