"""Options that several commands share."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

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


PATH = click.Path(path_type=Path)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a parameter."
)
episodes_option = click.option(
    "--episodes",
    type=click.IntRange(min=2),
    default=600,
    show_default=True,
    help="Test episodes behind each accuracy.",
)


def network_options(command: Callable) -> Callable:
    """Which trained network to use; the command gets its ``weights`` file, and ``calibrated``."""

    @click.option(
        "--run",
        help="A run's folder or hash, a weights file, or 'best' "
        "[default: the network for photographs that comes with the project].",
    )
    @click.option("--profile", help="The best run of this report [with --problem: quick].")
    @click.option("--problem", type=click.IntRange(1, 3), help="The best run of 1, 2 or 3.")
    @click.option("--calibrated", is_flag=True, help="Let prototypes lean on training classes.")
    @functools.wraps(command)
    def with_network(run: str | None, profile: str | None, problem: int | None, **others) -> None:
        from fewshot_lib.experiments.folders import find_network, shipped_network

        place = find_network(run, profile, problem)  # torch takes seconds, a misspelt name does not
        from fewshot_lib.experiments.lookup import weights_file

        if place == shipped_network():
            click.echo(
                f"network: Problem 1 of {place.parent.parent.name}, which comes with the project "
                f"({place.name}), trained on mini-ImageNet, for research",
                err=True,
            )
        command(weights=weights_file(place, problem), **others)

    return with_network


def engine_options(command: Callable) -> Callable:
    """How runs are made: said in the environment, where the command and notebooks find it."""

    @click.option(
        "--engine",
        type=click.Choice(("serial", "ray")),
        help="One run after another, or as many at a time as Ray finds GPUs or cores for; "
        "else serial [FEWSHOT_ENGINE].",
    )
    @click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="CPU threads of each run: with equal numbers runs are equal to the last bit "
        "[FEWSHOT_THREADS].",
    )
    @click.option(
        "--gpus",
        type=click.FloatRange(min=0),
        help="ray: GPUs of each run, 0.5 to share one; else 1 if there are any [FEWSHOT_GPUS].",
    )
    @click.option(
        "--address",
        help="ray: HOST:PORT or ray://HOST:PORT of a cluster; else this machine [RAY_ADDRESS].",
    )
    @functools.wraps(command)
    def with_engine(**values) -> None:
        given = {name: values.pop(name) for name in ("engine", "threads", "gpus", "address")}
        if any(value is not None for value in given.values()):
            from fewshot_lib.experiments.engines.settings import EngineSettings

            os.environ.update(EngineSettings.find(**given).as_environment())
        command(**values)

    return with_engine
