"""A small project to try reports on: real notebooks, real parameters, no training."""

from pathlib import Path

import nbformat

from fewshot_lib.spec.problems import NOTEBOOKS

LOAD = """from fewshot_lib.spec.profiles import notebook_params
params = notebook_params({!r}, globals())"""
PARAMETERS = 'profile = "quick"  # a folder of params/\nepochs = None'


def write_notebook(root: Path, name: str, cells: list[str], parameters: str = PARAMETERS) -> Path:
    """A notebook of ``name``, and its profile; a cell that begins with ``# `` is Markdown."""
    if not (root / "params" / "quick" / f"{name}.yaml").is_file():
        write_params(root, "quick", name, "")
    tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("# A small notebook"), tagged]
    notebook.cells.append(nbformat.v4.new_code_cell(LOAD.format(name)))
    for source in cells:
        is_text = source.startswith(("# ", "## "))
        new_cell = nbformat.v4.new_markdown_cell if is_text else nbformat.v4.new_code_cell
        notebook.cells.append(new_cell(source))
    path = root / "notebooks" / f"{NOTEBOOKS[name]}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def write_params(root: Path, profile: str, name: str, text: str) -> Path:
    path = root / "params" / profile / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
