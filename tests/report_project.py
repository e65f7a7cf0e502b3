"""A small project to try reports on: real notebooks, real parameters, no training."""

from pathlib import Path

import nbformat

from fewshot_lib.spec.problems import NOTEBOOKS, PROBLEMS

CHECK = "from fewshot_lib.spec import PROBLEMS\nparams = PROBLEMS[{!r}].from_namespace(globals())"


def parameters_source(name: str) -> str:
    """A parameters cell with every field of the problem at its default."""
    values = PROBLEMS[name]().model_dump().items()
    return "\n".join(f"{key} = {value!r}  # meaning of {key}" for key, value in values)


def write_notebook(root: Path, name: str, cells: list[str], parameters: str | None = None) -> Path:
    """A notebook of ``name``; a cell that begins with ``#`` and a space is Markdown."""
    parameters = parameters_source(name) if parameters is None else parameters
    tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("# A small notebook"), tagged]
    notebook.cells.append(nbformat.v4.new_code_cell(CHECK.format(name)))
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
