"""``fewshot score``: how good predictions are."""

from pathlib import Path

import click


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
def score(predictions: Path, truth: Path) -> None:
    """Print the accuracy of PREDICTIONS, a CSV file of `fewshot predict`, given the TRUTH.

    Both files have the columns episode_id,query0,query1,…
    """
    from fewshot_lib.data.testcases import score as score_files

    click.echo(score_files(predictions, truth))
