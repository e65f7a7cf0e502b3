"""The command ``fewshot``. Heavy imports wait inside the commands, so that help comes at once."""

import click

from fewshot_lib import __version__
from fewshot_lib.commands.report import report
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


for command in (report,):
    main.add_command(command)


if __name__ == "__main__":
    main()
