"""Options that several commands share."""

from collections.abc import Callable

import click


def run_options(command: Callable) -> Callable:
    """``--run``, ``--profile`` and ``--problem``: which trained network to use."""
    for option in (
        click.option(
            "--problem", type=click.IntRange(1, 3), help="With --run best: 1, 2 or 3 [default: any]"
        ),
        click.option(
            "--profile", default="quick", show_default=True, help="With --run best: the report."
        ),
        click.option(
            "--run",
            default="best",
            show_default=True,
            help="A run's folder, a weights file, or 'best' of a report.",
        ),
    ):
        command = option(command)
    return command


calibrated_option = click.option(
    "--calibrated",
    is_flag=True,
    help="Let prototypes lean on the training classes that they resemble.",
)
