"""``fewshot data``: prepare the images of a source and show what they are."""

from pathlib import Path

import click

from fewshot_lib.cli.options import PATH, Explained, set_option
from fewshot_lib.errors import InputError


@click.command(cls=Explained)
@click.argument("name")
@click.option("--data-dir", metavar="DIR", help="Folder of the images.")
@set_option
@click.option(
    "--output",
    type=PATH,
    metavar="FILE.png",
    help="Sheet of examples [default: reports/data/NAME.png].",
)
def data(name: str, data_dir: str | None, settings: tuple[str, ...], output: Path | None) -> None:
    """Prepare the images of source NAME and describe them.

    Prints what each split holds, what is passed over, and the command that makes a report of it.
    The last line is the path of a picture with images of some classes. --set can be given several
    times.
    """
    from fewshot_lib.report.data_sheet import describe, prepare, write_sheet
    from fewshot_lib.spec.profiles import read_params

    params, path = read_params(name, data_dir, settings), _sheet_file(name, output)
    banks = prepare(params, lambda text: click.echo(text, err=True))
    click.echo(describe(params, banks))
    write_sheet(banks, path)
    click.echo(path)


def _sheet_file(source: str, output: Path | None) -> Path:
    """Where the sheet goes: ``output`` or ``reports/data/SOURCE.png``.

    Raises:
        InputError: that cannot be a PNG file.
    """
    from fewshot_lib.files import project_root

    path = output or project_root() / "reports" / "data" / f"{source}.png"
    if path.suffix.lower() != ".png" or path.is_dir():
        raise InputError(f"{path} cannot be the sheet: name a file that ends in .png")
    return path
