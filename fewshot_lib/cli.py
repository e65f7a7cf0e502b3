"""The command ``fewshot``. Heavy imports wait inside the commands, so that help comes at once."""

from pathlib import Path

import click

from fewshot_lib import __version__
from fewshot_lib.errors import InputError

INPUT_STATUS, INTERRUPT_STATUS = 2, 130


class Commands(click.Group):
    """Turns wrong input into one line and status 2, and Ctrl-C into status 130."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"fewshot: {error}", err=True)
            ctx.exit(INPUT_STATUS)
        except KeyboardInterrupt:
            click.echo("fewshot: interrupted", err=True)
            ctx.exit(INTERRUPT_STATUS)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fewshot")
def main() -> None:
    """Few-shot learning: a report that runs itself."""


@main.command()
@click.argument("profile", default="quick")
@click.option("--only", multiple=True, metavar="PROBLEM", help="Run these alone: problem1,problem2")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a parameter.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder [default: reports/PROFILE]."
)
@click.pass_context
def report(
    ctx: click.Context,
    profile: str,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    output: Path | None,
) -> None:
    """Run the notebooks with the parameters of params/PROFILE and render them as HTML.

    --only and --set can be given several times. The last line printed is the path of the
    report's front page.
    """
    from fewshot_lib.report.build import make_report

    status, index = make_report(profile, only, settings, output)
    if status == INTERRUPT_STATUS:
        click.echo("fewshot: interrupted; finished training runs are kept", err=True)
    click.echo(index)
    ctx.exit(status)


if __name__ == "__main__":
    main()
