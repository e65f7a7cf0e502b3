"""The command ``fewshot``. Heavy imports wait inside the commands, so that help comes at once."""

import errno

import click

from fewshot_lib import __version__
from fewshot_lib.cli.classify import classify
from fewshot_lib.cli.compare import compare
from fewshot_lib.cli.data import data
from fewshot_lib.cli.predict import predict
from fewshot_lib.cli.report import report
from fewshot_lib.cli.score import score
from fewshot_lib.cli.sweep import sweep
from fewshot_lib.cli.verify import verify
from fewshot_lib.errors import InputError

FAILURE_STATUS, INPUT_STATUS, INTERRUPT_STATUS = 1, 2, 130
FULL = {errno.ENOSPC, errno.EDQUOT}


class Commands(click.Group):
    """Turns wrong input into one line and status 2, a full disk into 1, Ctrl-C into 130."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"fewshot: {error}", err=True)
            ctx.exit(INPUT_STATUS)
        except OSError as error:
            if error.errno not in FULL:
                raise
            click.echo(f"fewshot: the disk is full, make room: {error}", err=True)
            ctx.exit(FAILURE_STATUS)
        except KeyboardInterrupt:
            click.echo("fewshot: interrupted", err=True)
            ctx.exit(INTERRUPT_STATUS)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fewshot")
def main() -> None:
    """Few-shot learning: a report that runs itself."""


for command in (report, verify, compare, sweep, data, classify, predict, score):
    main.add_command(command)


if __name__ == "__main__":
    main()
