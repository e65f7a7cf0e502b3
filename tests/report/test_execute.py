"""Real notebooks in real kernels."""

import json
import sys

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.sign import NotebookNotary
from papermill.cli import papermill
from report_project import write_notebook, write_params

from fewshot_lib.report.execute import NotebookError, run_notebook
from fewshot_lib.spec.problems import PROBLEMS

PARAMS = PROBLEMS["problem1"](epochs=7, augment=["flip"], lr=1e-3).model_dump()


def printed(path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_the_notebook_gets_its_parameters_and_this_python(project):
    code = "import os, sys\nprint(params.epochs, lr, augment, sys.executable, os.getcwd())"
    source = write_notebook(project, "problem1", [code])
    folder = project / "a {folder} é"
    folder.mkdir()
    target, seen = folder / "out.ipynb", []
    run_notebook(source, target, PARAMS, lambda done, total: seen.append((done, total)))
    assert printed(target) == f"7 0.001 ['flip'] {sys.executable} {project}\n"
    assert seen == [(1, 3), (2, 3), (3, 3)]
    notebook = nbformat.read(target, as_version=4)
    assert notebook.metadata.papermill.parameters == PARAMS
    assert NotebookNotary().check_signature(notebook)
    assert str(project) not in json.dumps(notebook.metadata)
    assert [path.name for path in folder.iterdir()] == ["out.ipynb"]


@pytest.mark.parametrize(
    ("code", "message", "is_input"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero", False),
        ("raise ValueError('first\\nlast')", "ValueError: last", False),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", False),
        (
            "from fewshot_lib.errors import InputError\nraise InputError('n_way=9: too many')",
            "InputError: n_way=9: too many",
            True,
        ),
        ("import os\nos._exit(1)", "the kernel died, perhaps for lack of memory", False),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            "the kernel died, perhaps for lack of memory",
            False,
        ),
        (
            "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\nbytes(2**31)",
            "MemoryError",
            False,
        ),
        (
            "open('/dev/full', 'w').write('x' * 10**6)",
            "the disk is full: make room and start again, finished runs are kept",
            False,
        ),
    ],
)
def test_a_failure_is_told_and_the_notebook_kept(project, code, message, is_input):
    source = write_notebook(project, "problem1", ["print('before')", code, "print('after')"])
    target = project / "out.ipynb"
    with pytest.raises(NotebookError) as caught:
        run_notebook(source, target, PARAMS)
    assert (str(caught.value), caught.value.is_input) == (message, is_input)
    assert printed(target) == "before\n"


def test_wrong_input_is_one_line_where_it_happened(project):
    code = "from fewshot_lib.errors import InputError\nraise InputError('n_way=9: too many')"
    source, target = write_notebook(project, "problem1", [code]), project / "out.ipynb"
    with pytest.raises(NotebookError):
        run_notebook(source, target, PARAMS)
    cells = nbformat.read(target, as_version=4).cells
    (error,) = [o for c in cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert error.traceback == ["InputError: n_way=9: too many"]


def test_an_earlier_notebook_is_replaced_whole(project):
    target = project / "out.ipynb"
    for word in ("old", "new"):
        source = write_notebook(project, "problem1", [f"print('{word}')"])
        run_notebook(source, target, PARAMS)
    assert printed(target) == "new\n"


@pytest.mark.parametrize(
    ("options", "printed_or_told"),
    [
        (["-p", "shots", "[1, 2]", "-p", "n_way", "10"], "10 0.002 3 [1, 2]"),
        (["-p", "epoch", "5"], "unknown parameter 'epoch' (did you mean 'epochs'?)"),
    ],
)
def test_plain_papermill_takes_a_profiles_file_and_parameters(project, options, printed_or_told):
    source = write_notebook(
        project, "problem1", ["print(params.n_way, params.lr, params.epochs, params.shots)"]
    )
    write_params(project, "slow", "common", "epochs: 3")
    file = write_params(project, "slow", "problem1", "profile: slow\nlr: 2e-3")
    target = project / "out.ipynb"
    arguments = [str(source), str(target), "-f", str(file), *options, "-k", "python3"]
    result = CliRunner().invoke(papermill, [*arguments, "-l", "python", "--no-progress-bar"])
    assert printed_or_told in printed(target) + str(result.exception)
