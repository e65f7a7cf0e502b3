"""What the cells of a notebook give as parameters."""

from collections.abc import Mapping
from symtable import symtable
from types import ModuleType
from typing import Any

_INJECTED = "# Parameters"  # how the cell begins that papermill puts behind the parameters cell


def given_names(namespace: Mapping[str, Any], first: str) -> dict[str, Any]:
    """Names and values that a notebook's cells give, right or wrong.

    In a kernel they are what the cells assign from the parameters cell to the one that runs now:
    when all cells are run again, the namespace is full of what later cells made. Elsewhere they
    are all plain names in lower case: no modules, functions, classes or names with underscores
    in front.

    Args:
        namespace: the notebook's ``globals()``.
        first: a name that the parameters cell assigns and no later cell does.
    """
    names = _assigned_in_cells(namespace.get("In", []), first) or namespace.keys()
    return {
        name: value
        for name, value in namespace.items()
        if name in names and name.islower() and not name.startswith("_")
        if not callable(value) and not isinstance(value, ModuleType)
    }


def _assigned_in_cells(cells: list[str], first: str) -> set[str]:
    """Names from the last parameters cell on, up to the cell that reads them; none without it."""
    names, counts = set(), False
    for cell in cells[:-1]:  # the last one runs now
        assigned = _assigned(cell)
        if first in assigned and not cell.startswith(_INJECTED):
            names, counts = set(), True
        if "globals()" in cell:
            counts = False
        if counts:
            names |= assigned
    return names


def _assigned(cell: str) -> set[str]:
    """Names that the top level of a cell assigns; none if it is no Python."""
    try:
        symbols = symtable(cell, "cell", "exec").get_symbols()
    except SyntaxError:
        return set()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned()}
