"""A process that waits to become a kernel."""

import importlib
import os
import signal
import subprocess
import sys

import nbformat
import pytest
from report_project import write_notebook

from fewshot_lib.report import spare
from fewshot_lib.report.execute import NotebookError, run_notebook
from fewshot_lib.spec.problems import PROBLEMS

PARAMS = PROBLEMS["problem1"]().model_dump()
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kernels start as usual there")

TELL = """
import os, matplotlib
backend = matplotlib.get_backend()
print(os.getpid(), os.getppid(), os.getcwd(), os.environ.get("FEWSHOT_RESULTS"), backend)
"""


@pytest.fixture(autouse=True)
def no_spare_stays():
    yield
    spare.drop()


def told(path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return next(o.text for c in cells for o in c.get("outputs", []) if "text" in o).split()


def gone(pid: int) -> bool:
    """Whether the process has ended and nobody waits to hear of it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_notebook_runs_in_the_spare_process_as_in_a_kernel_of_its_own(project, monkeypatch):
    source = write_notebook(project, "problem1", [TELL])
    spare.prepare()
    waiting = spare._spare.pid
    spare.prepare()
    assert spare._spare.pid == waiting
    monkeypatch.setenv("FEWSHOT_RESULTS", "later")
    run_notebook(source, project / "out.ipynb", PARAMS)
    in_spare = told(project / "out.ipynb")
    assert gone(waiting)
    run_notebook(source, project / "out.ipynb", PARAMS)
    pid, *the_rest = told(project / "out.ipynb")
    assert pid != str(waiting)
    assert in_spare == [str(waiting), *the_rest]
    assert the_rest[:3] == [str(os.getpid()), str(project), "later"]


def test_what_a_spare_process_imports_is_there():
    for name in spare.IMPORTS:  # it would pass over a name that is not
        importlib.import_module(name)


def test_a_spare_process_that_died_is_not_needed(project):
    source = write_notebook(project, "problem1", [TELL])
    spare.prepare()
    os.kill(spare._spare.pid, signal.SIGKILL)
    spare._spare.wait()
    run_notebook(source, project / "out.ipynb", PARAMS)
    assert told(project / "out.ipynb")[1] == str(os.getpid())


def test_the_death_of_a_kernel_that_was_spare_is_told(project):
    source = write_notebook(project, "problem1", ["import os\nos._exit(1)"])
    spare.prepare()
    with pytest.raises(NotebookError, match="the kernel died"):
        run_notebook(source, project / "out.ipynb", PARAMS)


def test_a_spare_process_ends_when_it_is_dropped():
    spare.prepare()
    pid = spare._spare.pid
    spare.drop()
    assert gone(pid)
    spare.drop()


def test_a_spare_process_ends_with_the_one_that_started_it():
    code = "import os\nfrom fewshot_lib.report import spare\nspare.prepare()\nos._exit(3)"
    # Both hold the pipe: it is at its end when both are.
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 3
