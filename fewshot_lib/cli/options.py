"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

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
            help="A run's folder or hash, a weights file, or 'best' of a report.",
        ),
    ):
        command = option(command)
    return command


calibrated_option = click.option(
    "--calibrated",
    is_flag=True,
    help="Let prototypes lean on the training classes that they resemble.",
)
_ENGINES = ("serial", "process", "ray")
_NAMES = ("engine", "workers", "threads", "gpus", "address", "storage")


def engine_options(command: Callable) -> Callable:
    """``--engine`` and what goes with it; what is given is in the environment while it runs."""
    for option in reversed(
        (
            click.option(
                "--engine",
                type=click.Choice(_ENGINES),
                help="One run after another, several processes, a Ray cluster [default: serial].",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=1),
                help="process: runs at a time [default: one for each GPU or core].",
            ),
            click.option(
                "--threads",
                type=click.IntRange(min=1),
                help="CPU threads of each run; equal numbers make equal results.",
            ),
            click.option(
                "--gpus",
                type=click.FloatRange(min=0),
                help="ray: GPUs of each run, 0.5 to share one [default: 1 if there are any].",
            ),
            click.option(
                "--address",
                help="ray: HOST:PORT or ray://HOST:PORT [default: the cluster of this machine].",
            ),
            click.option(
                "--storage",
                metavar="URL",
                help="ray: where runs are kept if the machines share no folder: s3://… and others.",
            ),
        )
    ):
        command = option(command)
    return command


def apply_engine_options(ctx: click.Context, options: dict[str, Any]) -> None:
    """Check the options and say them to this process and those it starts, until it is done.

    Raises:
        InputError: the engine does not use an option that is given.
    """
    from fewshot_lib.experiments.engines.params import as_environment, engine_params, environment

    given = {name: options[name] for name in _NAMES if options[name] is not None}
    engine_params(**given)
    ctx.with_resource(environment(**as_environment(given)))
