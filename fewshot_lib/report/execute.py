"""One notebook, executed with papermill in a kernel of this very Python."""

import contextlib
import errno
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat.sign import NotebookNotary
from papermill import PapermillExecutionError, execute_notebook
from traitlets import default

from fewshot_lib.errors import InputError
from fewshot_lib.files import atomic_file, project_root
from fewshot_lib.spec.problems import NOTEBOOKS


class _ThisPythonSpecs(KernelSpecManager):
    """Knows one kernel, this interpreter, whatever is installed on the machine."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv.append("--log-level=CRITICAL")  # what it logs would land amid the live line
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class _ThisPythonManager(AsyncKernelManager):
    @default("kernel_spec_manager")
    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return _ThisPythonSpecs(parent=self)


class NotebookError(Exception):
    """A notebook did not come to its end.

    Attributes:
        is_input: the cause was an ``InputError``: wrong input, which the user can mend.
    """

    def __init__(self, message: str, is_input: bool = False):
        super().__init__(message)
        self.is_input = is_input


def run_notebook(
    source: Path,
    target: Path,
    parameters: dict[str, Any],
    on_cell: Callable[[int, int], None] = lambda done, total: None,
    stderr: object | None = None,
) -> None:
    """Execute ``source`` and leave the executed notebook at ``target``, however it ended.

    Args:
        source: the notebook as it is kept in the repository.
        target: appears in one piece; until then a hidden file beside it grows.
        parameters: replace the values of the cell tagged ``parameters``.
        on_cell: called with a code cell's number and the number of code cells.
        stderr: a file that gets what the cells write to stderr, as they do.

    Raises:
        NotebookError: a cell raised, or the kernel died.
    """
    partial = target.with_name(f".{target.stem}.partial.ipynb")
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    try:
        with _notebook_errors():
            execute_notebook(
                _escape_braces(source),
                _escape_braces(partial),
                parameters,
                kernel_name="python3",
                language="python",
                cwd=project_root(),
                progress_bar=False,
                kernel_manager_class=_ThisPythonManager,
                coalesce_streams=True,
                on_cell_start=_count_cells(source, on_cell),
                stderr_file=stderr,
            )
    finally:
        if partial.exists():
            _keep(partial, target, source)


@contextlib.contextmanager
def _notebook_errors() -> Iterator[None]:
    """Raise a NotebookError, with one line, for whatever papermill raises."""
    try:
        yield
    except PapermillExecutionError as error:
        is_input = error.ename == "InputError"
        raise NotebookError(_last_line(error.ename, error.evalue), is_input) from None
    except DeadKernelError:
        raise NotebookError("the kernel died, perhaps for lack of memory") from None
    except Exception as error:
        raise NotebookError(_last_line(type(error).__name__, str(error))) from error


def _escape_braces(path: Path) -> str:
    """Papermill fills in braces of a path; ours are meant literally."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _last_line(name: str, message: str) -> str:
    if any(f"{word} {errno.ENOSPC}" in message for word in ("[Errno", "os error")):
        return "the disk is full: make room and start again, finished runs are kept"
    lines = [line for line in message.strip().splitlines() if line.strip()]
    return f"{name}: {lines[-1].strip()}" if lines else name


def _count_cells(source: Path, on_cell: Callable[[int, int], None]) -> Callable[..., None]:
    """A hook of the executor that counts the code cells that begin."""
    cells = nbformat.read(source, as_version=4).cells
    total = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in cells)
    done = 0

    def count(cell, cell_index) -> None:
        nonlocal done
        if cell.cell_type != "code" or "injected-parameters" in cell.metadata.get("tags", []):
            return
        done += bool(cell.source.strip())
        on_cell(done, total)

    return count


def _keep(partial: Path, target: Path, source: Path) -> None:
    """Give the executed notebook its name, signed so that JupyterLab shows its styles."""
    notebook = nbformat.read(partial, as_version=4)
    names = {"input_path": source.name, "output_path": target.name}
    notebook.metadata.papermill.update(names)  # not the folders of this machine
    with atomic_file(target) as temporary:
        nbformat.write(notebook, temporary)
    NotebookNotary().sign(notebook)
    partial.unlink()


def notebook_path(name: str) -> Path:
    """The notebook of a problem.

    Raises:
        InputError: the file is missing.
    """
    path = project_root() / "notebooks" / f"{NOTEBOOKS[name]}.ipynb"
    if not path.is_file():
        raise InputError(f"there is no notebook {path}")
    return path


def check_notebook(name: str) -> None:
    """Raises an InputError if a problem's notebook is missing or cannot be read."""
    path = notebook_path(name)
    try:
        nbformat.read(path, as_version=4)
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read as a notebook: {error}") from None
