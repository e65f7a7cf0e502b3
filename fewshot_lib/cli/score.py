"""``fewshot score``: how good predictions are."""

from pathlib import Path

import click


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
def score(predictions: Path, truth: Path) -> None:
    """Print the accuracy of predicted test cases.

    PREDICTIONS is a file of `fewshot predict`, TRUTH the right answers. Both CSV files have the
    columns episode_id,query0,query1,…
    """
    from fewshot_lib.data.testcases import score as score_files

    click.echo(score_files(predictions, truth))
