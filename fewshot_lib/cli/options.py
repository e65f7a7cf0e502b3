"""Options that several commands share."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class Explained(click.Command):
    """A command whose help ends with the profiles and parameters that it takes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from fewshot_lib.spec.parameters import DataParams, Spec
        from fewshot_lib.spec.problems import PROBLEMS
        from fewshot_lib.spec.profiles import profile_titles
        from fewshot_lib.spec.words import value_text

        if self.name == "report":
            with formatter.section("Profiles"):
                formatter.write_dl(profile_titles().items())
        models = {"report": PROBLEMS.values(), "data": [DataParams], "sweep": [Spec]}[self.name]
        fields = {k: f for model in models for k, f in model.model_fields.items()}
        rows = [(k, f"{f.description} [{value_text(f.default)}]") for k, f in fields.items()]
        with formatter.section("Parameters [by default]"):
            formatter.write_dl(rows)


def run_options(command: Callable) -> Callable:
    """``--run``, ``--profile`` and ``--problem``: which trained network to use."""
    for option in (
        click.option("--problem", type=click.IntRange(1, 3), help="The best run of 1, 2 or 3."),
        click.option("--profile", help="The best run of this report [with --problem: quick]."),
        click.option(
            "--run",
            help="A run's folder or hash, a weights file, or 'best' "
            "[default: the network for photographs that comes with the project].",
        ),
    ):
        command = option(command)
    return command


def choose_network(run: str | None, profile: str | None, problem: int | None) -> Path:
    """The weights file that these options ask for; says so if it is the project's own.

    Raises:
        InputError: there is no such run or report, or the report has no finished run.
    """
    from fewshot_lib.experiments.folders import find_network, shipped_network

    place = find_network(run, profile, problem)  # torch takes seconds, a misspelt name does not
    from fewshot_lib.experiments.lookup import weights_file

    if place == shipped_network():
        click.echo(
            f"network: Problem 1 of {place.parent.parent.name}, which comes with the project "
            f"({place.name}), trained on mini-ImageNet, for research",
            err=True,
        )
    return weights_file(place, problem)


calibrated_option = click.option(
    "--calibrated",
    is_flag=True,
    help="Let prototypes lean on the training classes that they resemble.",
)


_ENGINE_OPTIONS = (  # the last one is shown first
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

    for option in _ENGINE_OPTIONS:
        with_engine = option(with_engine)
    return with_engine
