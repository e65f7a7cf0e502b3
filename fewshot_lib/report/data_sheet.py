"""What a data source holds, for people: a small table, remarks, and a sheet of examples."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fewshot_lib.data.bank import (
    SPLITS,
    ImageBank,
    cache_file,
    data_remarks,
    load_bank,
    source_module,
)
from fewshot_lib.data.fit import fitting, settings, split_sizes
from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file, project_root
from fewshot_lib.notebook.style import SCREEN_DPI, WIDTH, drawable
from fewshot_lib.spec.parameters import DataParams
from fewshot_lib.spec.problems import PROBLEMS
from fewshot_lib.spec.profiles import load_params

_PROFILE = "quick"  # that a source is looked at for
_SHEET = 8  # classes and images of a class on the sheet
_CELL = 0.78  # inches, side of an image on the sheet
_HEADING, _GAP = 0.45, 0.2  # inches, above and below each split
_LINE, _LINES = 18, 2  # characters and lines of a class name beside its images
_NAME_SIZE, _NAME_GAP = 9, 6  # points


@dataclass(frozen=True)
class Split:
    """One split of a source, prepared."""

    name: str
    bank: ImageBank
    cache_bytes: int

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of images of the smallest and of the largest class."""
        return int(self.bank.class_sizes.min()), int(self.bank.class_sizes.max())


def prepare(params: DataParams, say: Callable[[str], None] = lambda text: None) -> list[Split]:
    """Decode every split that the source has, or find it in the cache.

    Args:
        say: is told what is going on, a line at a time.

    Raises:
        InputError: the source cannot be read or has no split.
    """
    there, splits = source_module(params).splits(params), []
    if not there:
        raise InputError(f"source '{params.source}' finds no split in {params.data_dir}")
    for name in there:
        say(f"{name}: preparing images of {params.image_size} px")
        bank = load_bank(params, name)
        size = cache_file(params, name, bank.fingerprint).stat().st_size
        splits.append(Split(name, bank, size))
    return splits


def table(splits: list[Split]) -> list[str]:
    """Lines of an aligned table: a heading, then every split, missing ones as "none"."""
    found = {split.name: _table_row(split) for split in splits}
    heading = ["split", "classes", "images/class", "images", "fingerprint", "cache"]
    rows = [heading] + [found.get(name, [name, "none", *[""] * 4]) for name in SPLITS]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines


def _table_row(split: Split) -> list[str]:
    low, high = split.sizes
    return [
        split.name,
        f"{len(split.bank.class_names):,}",
        f"{low:,}" if low == high else f"{low:,}–{high:,}",
        f"{len(split.bank.labels):,}",
        split.bank.fingerprint[:12],
        readable_size(split.cache_bytes),
    ]


def readable_size(n_bytes: int) -> str:
    """``12345678`` bytes are ``12.3 MB``, a MB being a million bytes."""
    size, units = float(n_bytes), ["bytes", "kB", "MB", "GB"]
    while round(size, 1) >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


def remarks(params: DataParams) -> list[str]:
    """What to know before a report is made of a source; a line each.

    What is passed over, images that stand there more than once, and the command that makes a
    report of it.
    """
    return [*data_remarks(params), *_report_command(params)]


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


def sheet_file(source: str, output: Path | None) -> Path:
    """Where the sheet goes: ``output`` or ``reports/data/SOURCE.png``.

    Raises:
        InputError: that cannot be a PNG file.
    """
    path = output or project_root() / "reports" / "data" / f"{source}.png"
    if path.suffix.lower() != ".png" or path.is_dir():
        raise InputError(f"{path} cannot be the sheet: name a file that ends in .png")
    return path


def write_sheet(splits: list[Split], path: Path) -> None:
    """Write the sheet of examples as PNG, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with atomic_file(path) as temporary:
            sheet(splits).savefig(temporary, format="png", dpi=2 * SCREEN_DPI)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def sheet(splits: list[Split]) -> Figure:
    """For each split up to 8 classes, a row each, with up to 8 of their images.

    Classes and images are taken at even distances, the first and the last among them.
    """
    rows = [min(_SHEET, len(split.bank.class_names)) for split in splits]
    height = sum(rows) * _CELL + len(rows) * (_HEADING + _GAP)
    figure, top = Figure(figsize=(WIDTH, height), layout="none"), height
    for split, n_rows in zip(splits, rows, strict=True):
        top -= _HEADING + n_rows * _CELL
        left = WIDTH - _SHEET * _CELL - 0.1
        box = (left / WIDTH, top / height, _SHEET * _CELL / WIDTH, n_rows * _CELL / height)
        _draw_split(figure.add_axes(box), split.bank, f"{split.name}: {counted(split.bank)}")
        top -= _GAP
    return figure


def counted(bank: ImageBank) -> str:
    """``8 of 64 classes, 8 of 600 images each``."""
    n_classes, n_images = len(bank.class_names), int(bank.class_sizes.max())
    low = int(bank.class_sizes.min())
    images = f"{n_images}" if low == n_images else f"{low}–{n_images}"
    return (
        f"{f'{_SHEET} of ' if n_classes > _SHEET else ''}{n_classes} "
        f"class{'es' * (n_classes > 1)}, {f'{_SHEET} of ' if n_images > _SHEET else ''}{images} "
        f"image{'s' * (n_images > 1)} each"
    )


def _draw_split(axes: Axes, bank: ImageBank, title: str) -> None:
    """The grid of one split, class names to its left; nothing in a name is read as mathematics."""
    labels = evenly(len(bank.class_names))
    side = bank.image_size + max(1, bank.image_size // 24)
    axes.imshow(grid(bank, labels, side).permute(1, 2, 0).numpy())
    axes.set_axis_off()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    for row, label in enumerate(labels):
        text = axes.annotate(
            printable(bank.class_names[label]),
            (0, (row + 0.5) * side),
            xytext=(-_NAME_GAP, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=_NAME_SIZE,
            linespacing=1.1,
            parse_math=False,
        )
        left = axes.get_window_extent().x0 - 2 * _NAME_GAP
        text.set_fontsize(_NAME_SIZE * min(1, left / text.get_window_extent().width))


def grid(bank: ImageBank, labels: list[int], side: int) -> torch.Tensor:
    """Images of these classes on white, uint8 ``(3, rows * side, 8 * side)``."""
    canvas = torch.full((3, len(labels) * side, _SHEET * side), 255, dtype=torch.uint8)
    starts = bank.class_sizes.cumsum(0) - bank.class_sizes
    size = bank.image_size
    for row, label in enumerate(labels):
        for column, i in enumerate(evenly(int(bank.class_sizes[label]))):
            y, x = row * side, column * side
            canvas[:, y : y + size, x : x + size] = bank.images[starts[label] + i]
    return canvas


def evenly(n: int) -> list[int]:
    """Up to 8 of ``range(n)`` at even distances, with the first and the last."""
    if n <= _SHEET:
        return list(range(n))
    return [i * (n - 1) // (_SHEET - 1) for i in range(_SHEET)]


def printable(name: str) -> str:
    """The name, drawable, in two short lines, its middle left out if need be."""
    safe, longest = drawable(name), _LINE * _LINES
    if len(safe) > longest:
        safe = f"{safe[: longest // 2]}…{safe[1 - longest // 2 :]}"
    lines = textwrap.wrap(safe, _LINE)
    if len(lines) > _LINES:  # between words it does not go in
        lines = [safe[start : start + _LINE] for start in range(0, longest, _LINE)]
    return "\n".join(lines) or "(blank)"
