"""What a data source holds, for people: a small table, remarks, and a sheet of examples."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from matplotlib.figure import Figure

from fewshot_lib.data.bank import SPLITS, ImageBank, data_remarks, load_bank, source_module
from fewshot_lib.data.fit import fitting, settings, split_sizes
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file
from fewshot_lib.notebook.classes import class_words
from fewshot_lib.notebook.style import SCREEN_DPI, WIDTH, label
from fewshot_lib.spec.parameters import DataParams
from fewshot_lib.spec.problems import PROBLEMS
from fewshot_lib.spec.profiles import load_params

_PROFILE = "quick"  # that a source is looked at for
_SHEET = 8  # classes and images of a class on the sheet
_LINE = 18  # characters of a class name in one of its two lines beside its images

Banks = dict[str, ImageBank]  # by split


def prepare(params: DataParams, say: Callable[[str], None] = lambda text: None) -> Banks:
    """Decode every split that the source has, or find it in the cache.

    Args:
        say: is told what is going on, a line at a time.

    Raises:
        InputError: the source cannot be read or has no split.
    """
    there, banks = source_module(params).splits(params), {}
    if not there:
        raise InputError(f"source '{params.source}' finds no split in {params.data_dir}")
    for name in there:
        say(f"{name}: preparing images of {params.image_size} px")
        banks[name] = load_bank(params, name)
    return banks


def describe(params: DataParams, banks: Banks) -> str:
    """What each split holds, and what to know before a report is made of the source.

    That is what is passed over, images that stand there more than once, and the command that makes
    a report of it.
    """
    return "\n".join([_table(banks), *data_remarks(params), *_report_command(params)])


def _table(banks: Banks) -> str:
    """An aligned table with a row for every split."""
    rows = [_table_row(name, banks[name]) for name in SPLITS if name in banks]
    return pd.DataFrame(rows).to_string(index=False)


def _table_row(name: str, bank: ImageBank) -> dict[str, str]:
    low, high = int(bank.class_sizes.min()), int(bank.class_sizes.max())
    return {
        "split": name,
        "classes": f"{len(bank.class_names):,}",
        "images/class": f"{low:,}" if low == high else f"{low:,}–{high:,}",
        "images": f"{len(bank.labels):,}",
        "fingerprint": bank.fingerprint[:12],
    }


def _report_command(params: DataParams) -> list[str]:
    """The command that makes the default report of these images; or why none can be made."""
    try:
        problems = load_params(_PROFILE, list(PROBLEMS))
    except InputError:  # there is no such profile where the project's folder has none
        return []
    given = {"source": params.source} | params.model_dump(exclude_defaults=True)
    given |= {"images_per_class": params.images_per_class, "image_size": params.image_size}
    own = {k: v for k, v in given.items() if v != getattr(problems["problem1"], k)}
    asked = {n: type(p).check(p.model_dump() | given) for n, p in problems.items()}
    changes = fitting(asked, split_sizes(params))
    if changes is None:
        return ["too small for a report: it takes 2 classes of 6 images in each split, or more"]
    return [f"to make a report of it: fewshot report {settings(own | changes)}".rstrip()]


def write_sheet(banks: Banks, path: Path) -> None:
    """Write the sheet of examples as PNG, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with atomic_file(path) as temporary:
            _sheet(banks).savefig(temporary, format="png", dpi=2 * SCREEN_DPI)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _sheet(banks: Banks) -> Figure:
    """For each split up to 8 classes, a row each, with up to 8 of their images.

    Classes and images are taken at even distances, the first and the last among them.
    """
    rows = [min(_SHEET, len(bank.class_names)) for bank in banks.values()]
    height = 0.8 * sum(rows) + 0.5 * len(rows)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(len(rows), height_ratios=rows, squeeze=False)[:, 0]
    for ax, (name, bank) in zip(axes, banks.items(), strict=True):
        labels = _evenly(len(bank.class_names))
        side = bank.image_size + max(1, bank.image_size // 24)
        ax.imshow(_grid(bank, labels, side).permute(1, 2, 0).numpy())
        ax.set_title(f"{name}: {len(labels)} of {len(bank.class_names)} classes", loc="left")
        words = list(class_words(bank).values())
        names = [_printable(words[i]) for i in labels]
        ax.set_yticks([(i + 0.5) * side for i in range(len(names))], names, fontsize=9)
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def _grid(bank: ImageBank, labels: list[int], side: int) -> torch.Tensor:
    """Images of these classes on white, uint8 ``(3, rows * side, 8 * side)``."""
    canvas = torch.full((3, len(labels) * side, _SHEET * side), 255, dtype=torch.uint8)
    starts = bank.class_sizes.cumsum(0) - bank.class_sizes
    size = bank.image_size
    for row, number in enumerate(labels):
        for column, i in enumerate(_evenly(int(bank.class_sizes[number]))):
            y, x = row * side, column * side
            canvas[:, y : y + size, x : x + size] = bank.images[starts[number] + i]
    return canvas


def _evenly(n: int) -> list[int]:
    """Up to 8 of ``range(n)`` at even distances, with the first and the last."""
    if n <= _SHEET:
        return list(range(n))
    return [i * (n - 1) // (_SHEET - 1) for i in range(_SHEET)]


def _printable(name: str) -> str:
    """The name as a figure's label in two short lines, its middle left out if need be."""
    text = label(name)
    if len(text) > 2 * _LINE:
        text = f"{text[: _LINE - 1]}…{text[1 - _LINE :]}"
    return textwrap.fill(text, _LINE, max_lines=2, placeholder="…") or "(blank)"
