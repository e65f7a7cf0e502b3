"""``fewshot sweep``: many settings, ranked."""

from pathlib import Path

import click

from fewshot_lib.cli.options import PATH, Explained, engine_options, episodes_option


@click.command(cls=Explained)
@click.argument("params", type=PATH, metavar="PARAMS.yaml")
@episodes_option
@click.option("--output", type=PATH, help="Folder [default: reports/sweeps/NAME of the file].")
@engine_options
def sweep(params: Path, episodes: int, output: Path | None) -> None:
    """Train every setting of PARAMS.yaml and compare them.

    The file has base: (parameters that all share), then grid: (name to a list of values, every
    combination is trained), list: (settings one by one) or steps: (name to what a step changes in
    the one before, with which it is compared), and perhaps seeds: (each setting is trained with
    each). Runs that are there already are used. The last line printed is the path of the page;
    tables lie beside it.
    """
    from fewshot_lib.report.sweep_page import write_sweep

    text, page, failure = write_sweep(params, episodes, output)
    if page is not None:
        click.echo(text)
        click.echo(page)
    if failure is not None:
        raise failure
