"""What was measured, and how it is told in a terminal."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One contestant's measurements, in seconds or MB.

    Attributes:
        x: where it stands on the group's axis; None if the group has none.
        scale: what to multiply by; other than 1 where a part was measured for the whole.
    """

    name: str
    values: list[float]
    x: float | None = None
    scale: float = 1.0

    @property
    def median(self) -> float:
        return self.scale * statistics.median(self.values)

    @property
    def best(self) -> float:
        return self.scale * min(self.values)


@dataclass
class Group:
    """Contestants at the same task; the first row at each ``x`` is what the others are held to.

    Attributes:
        axis: what ``x`` is; empty for a group that is no curve.
        remarks: sentences below the table.
    """

    title: str
    axis: str = ""
    unit: str = "s"
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def ratios(self, row: Row) -> tuple[float, float]:
        """This row to the first, medians and bests; where curves are compared, at the same x."""
        alone = len({other.name for other in self.rows}) == 1
        first = next(other for other in self.rows if alone or other.x == row.x)
        return row.median / first.median, row.best / first.best

    def cells(self) -> Iterable[tuple[str, ...]]:
        """The table, heading first."""
        axis = (self.axis,) if self.axis else ()
        yield ("", *axis, "median", "ratio", "best", "ratio", "rounds")
        for row in self.rows:
            x = (f"{row.x:g}",) if self.axis else ()
            pairs = zip((row.median, row.best), self.ratios(row), strict=True)
            values = [cell for value, r in pairs for cell in (shown(value, self.unit), f"{r:.2f}")]
            yield (row.name, *x, *values, str(len(row.values)))


def shown(value: float, unit: str) -> str:
    if unit == "MB":
        return f"{value:,.0f} MB"
    if value < 1e-3:
        return f"{1e6 * value:.0f} µs"
    return f"{1e3 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def text(group: Group) -> str:
    """The group as lines of a terminal, columns aligned."""
    table = list(group.cells())
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  " + "  ".join(align(cell, width, i) for i, (cell, width) in enumerate(columns)).rstrip()
        for columns in (list(zip(row, widths, strict=True)) for row in table)
    ]
    return "\n".join([group.title, *lines, *(f"  {remark}" for remark in group.remarks)])


def align(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)
