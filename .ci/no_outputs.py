"""Exit with status 1 and name the cell if a notebook carries outputs: they belong to reports/."""

import json
import sys
from pathlib import Path


def executed_cells(notebook: Path) -> list[int]:
    """Numbers of the code cells with an output or an execution count, the first cell is 1."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [i for i, c in enumerate(cells, 1) if c.get("outputs") or c.get("execution_count")]


def main(notebooks: list[str]) -> int:
    executed = {name: cells for name in notebooks if (cells := executed_cells(Path(name)))}
    for name, cells in executed.items():
        print(f"{name}: cell {cells[0]} has outputs, clear them (Edit, Clear Outputs of All Cells)")
    return 1 if executed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
