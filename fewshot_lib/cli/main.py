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

_FAILURE, _WRONG_INPUT, _INTERRUPTED = 1, 2, 130  # exit statuses
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class Commands(click.Group):
    """Turns wrong input into one line and status 2, a full disk into 1, Ctrl-C into 130."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except InputError as error:
            self._end(ctx, str(error), _WRONG_INPUT)
        except click.UsageError as error:
            command = (error.ctx or ctx).command_path
            words = " ".join(error.format_message().split())
            self._end(ctx, f"{words} (see {command} --help)", _WRONG_INPUT)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            self._end(ctx, f"the disk is full, make room: {error}", _FAILURE)
        except KeyboardInterrupt:
            self._end(ctx, "interrupted", _INTERRUPTED)

    def _end(self, ctx: click.Context, words: str, status: int) -> None:
        click.echo(f"fewshot: {words}", err=True)
        ctx.exit(status)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fewshot")
def main() -> None:
    """Few-shot learning: a report that runs itself."""


for command in (report, verify, compare, sweep, data, classify, predict, score):
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="fewshot")
