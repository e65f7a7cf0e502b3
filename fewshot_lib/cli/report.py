"""``fewshot report``: run the notebooks, render the pages."""

import click

from fewshot_lib.cli.options import Explained, engine_options, set_option


@click.command(cls=Explained)
@click.argument("profile", default="quick")
@click.option("--only", multiple=True, metavar="PROBLEM", help="Run these alone: problem1,problem2")
@set_option
@click.option(
    "--output",
    metavar="FOLDER",
    help="Folder [default: reports/PROFILE], or an address that gets a copy: s3://… and others.",
)
@engine_options
@click.pass_context
def report(
    ctx: click.Context,
    profile: str,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    output: str | None,
) -> None:
    """Run the notebooks of a profile and render the report.

    PROFILE is one of those below, quick by default. --only and --set can be given several times.
    The last line printed is the path of the report's front page.
    """
    from fewshot_lib.spec.profiles import load_params, problem_names

    # What is misspelt is told at once, before torch is imported.
    load_params(profile, problem_names(only), settings)
    from fewshot_lib.report.build import INTERRUPT_STATUS, make_report

    status, index = make_report(profile, only, settings, output)
    if status == INTERRUPT_STATUS:
        click.echo("fewshot: interrupted; finished training runs are kept", err=True)
    click.echo(index)
    ctx.exit(status)
