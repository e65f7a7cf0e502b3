"""Options that several commands share."""

import functools
import os
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


def engine_options(command: Callable) -> Callable:
    """``--engine`` and what goes with it; the command finds them said in the environment."""

    @functools.wraps(command)
    def with_engine(
        *,
        engine: str | None,
        threads: int | None,
        gpus: float | None,
        address: str | None,
        storage: str | None,
        **others: Any,
    ) -> None:
        if (engine, threads, gpus, address, storage) != (None,) * 5:
            from fewshot_lib.experiments.engines.settings import engine_settings

            settings = engine_settings(
                engine=engine, threads=threads, gpus=gpus, address=address, storage=storage
            )
            os.environ.update(settings.as_environment())
        command(**others)

    for option in (
        click.option(
            "--storage",
            metavar="URL",
            help="ray: where runs are kept if machines share no folder: s3://… [FEWSHOT_STORAGE].",
        ),
        click.option(
            "--address",
            help="ray: cluster to join, HOST:PORT or ray://HOST:PORT; else on this machine "
            "[RAY_ADDRESS].",
        ),
        click.option(
            "--gpus",
            type=click.FloatRange(min=0),
            help="ray: GPUs of each run, 0.5 to share one; else 1 if there are any [FEWSHOT_GPUS].",
        ),
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            help="CPU threads of each run: with equal numbers runs are equal to the last bit "
            "[FEWSHOT_THREADS].",
        ),
        click.option(
            "--engine",
            type=click.Choice(("serial", "ray")),
            help="One run after another, or as many at a time as Ray finds GPUs or cores for; "
            "else serial [FEWSHOT_ENGINE].",
        ),
    ):
        with_engine = option(with_engine)
    return with_engine
