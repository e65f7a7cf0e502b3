"""``fewshot predict``: solve the course's test cases."""

from pathlib import Path

import click

from fewshot_lib.cli.options import calibrated_option, choose_network, run_options

_PATH = click.Path(path_type=Path)


@click.command()
@run_options
@click.option("--images-csv", type=_PATH, required=True, help="CSV file with columns id,filename.")
@click.option("--images-dir", type=_PATH, required=True, help="Folder of the images it lists.")
@click.option(
    "--testcases",
    type=_PATH,
    required=True,
    help="CSV file with columns episode_id,class0_support0,…,query0,… that hold image ids.",
)
@click.option("--output", type=_PATH, required=True, help="CSV file to write.")
@calibrated_option
def predict(
    run: str | None,
    profile: str | None,
    problem: int | None,
    images_csv: Path,
    images_dir: Path,
    testcases: Path,
    output: Path,
    calibrated: bool,
) -> None:
    """Predict the queries of the course's test cases.

    Each value written is the position, from 0, of the query's class among the episode's classes.
    The images need no labels. `fewshot score` compares the file with the truth.
    """
    weights = choose_network(run, profile, problem)
    from fewshot_lib.experiments.testcases import predict_testcases

    files = images_csv, images_dir, testcases, output
    click.echo(predict_testcases(weights, *files, calibrated=calibrated))
