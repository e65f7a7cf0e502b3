"""What the cells of a notebook give as parameters."""

import ast
from collections.abc import Mapping
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
    names = _assigned_in_cells(namespace.get("In", []), first) or namespace
    return {
        name: namespace[name]
        for name in names
        if name in namespace and _is_plain(name, namespace[name])
    }


def _is_plain(name: str, value: Any) -> bool:
    is_value = not callable(value) and not isinstance(value, ModuleType)
    return name.islower() and not name.startswith("_") and is_value


def _assigned_in_cells(cells: list[str], first: str) -> list[str]:
    """Names from the last parameters cell on, up to the cell that reads them; none without it."""
    assigned = [_assigned(cell) for cell in cells[:-1]]  # the last one runs now
    own = [
        i
        for i, names in enumerate(assigned)
        if first in names and not cells[i].startswith(_INJECTED)
    ]
    if not own:
        return []
    reads = (i for i in range(own[-1], len(assigned)) if "globals()" in cells[i])
    return [name for names in assigned[own[-1] : next(reads, None)] for name in names]


def _assigned(cell: str) -> list[str]:
    """Names that the top level of a cell assigns; none if it is no Python."""
    try:
        statements = ast.parse(cell).body
    except SyntaxError:
        return []
    targets = []
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets += statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets.append(statement.target)
    nodes = [node for target in targets for node in ast.walk(target)]
    return [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
