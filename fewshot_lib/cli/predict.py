"""``fewshot predict``: solve the course's test cases."""

from pathlib import Path

import click

from fewshot_lib.cli.options import PATH, network_options


@click.command()
@network_options
@click.option("--images-csv", type=PATH, required=True, help="CSV file with columns id,filename.")
@click.option("--images-dir", type=PATH, required=True, help="Folder of the images it lists.")
@click.option(
    "--testcases",
    type=PATH,
    required=True,
    help="CSV file with columns episode_id,class0_support0,…,query0,… that hold image ids.",
)
@click.option("--output", type=PATH, required=True, help="CSV file to write.")
def predict(
    weights: Path,
    calibrated: bool,
    images_csv: Path,
    images_dir: Path,
    testcases: Path,
    output: Path,
) -> None:
    """Predict the queries of the course's test cases.

    Each value written is the position, from 0, of the query's class among the episode's classes.
    The images need no labels. `fewshot score` compares the file with the truth.
    """
    from fewshot_lib.experiments.testcases import predict_testcases

    files = images_csv, images_dir, testcases, output
    click.echo(predict_testcases(weights, *files, calibrated=calibrated))
