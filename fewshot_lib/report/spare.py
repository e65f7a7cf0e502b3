"""The next notebook's kernel: a process that imports while the notebook before it runs.

``python -m fewshot_lib.report.spare`` is that process. It imports what notebooks need, then waits
for one line that makes it a kernel, or ends with the process that started it.
"""

import atexit
import contextlib
import importlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from fewshot_lib.files import project_root

# What takes seconds; torch needs its compiler's parts for every optimizer.
IMPORTS = (
    "ipykernel.kernelapp",
    "pandas",
    "matplotlib.pyplot",
    "torch",
    "torch._dynamo",
    "fewshot_lib.experiments.runs",
    "fewshot_lib.notebook.figures",
    "fewshot_lib.notebook.tables",
    "fewshot_lib.data.vision",
    "sklearn.manifold",
)
PARENT = "JPY_PARENT_PID"  # a kernel ends with this process

_spare: subprocess.Popen | None = None


def prepare() -> None:
    """Start a spare process, where there is none yet and the system can turn it into a kernel."""
    global _spare
    if _spare is None and os.name == "posix":
        _spare = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=project_root(),
            env=os.environ | {PARENT: str(os.getpid())},
            stdin=subprocess.PIPE,
            start_new_session=True,  # as every kernel: Ctrl-C is for the report, which ends them
        )


def take(command: list[str], how: dict[str, Any]) -> subprocess.Popen | None:
    """Make the spare process the kernel that this command would start; None without a spare.

    Args:
        command: ``python -m ipykernel_launcher`` and its arguments.
        how: ``env`` of the kernel, and ``cwd`` if it is not this process' own.
    """
    global _spare
    process, _spare = _spare, None
    if process is None:
        return None
    cwd = str(how.get("cwd") or Path.cwd())
    call = {"arguments": command[3:], "env": dict(how["env"]), "cwd": cwd}
    try:
        process.stdin.write(json.dumps(call).encode() + b"\n")
        process.stdin.close()
    except OSError:  # it did not live until now
        end(process)
        return None
    return process


@atexit.register
def drop() -> None:
    """End the spare process, if there is one."""
    global _spare
    process, _spare = _spare, None
    if process is not None:
        end(process)


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.communicate()


def become_a_kernel(arguments: list[str], env: dict[str, str], cwd: str) -> None:
    """Go on as ``python -m ipykernel_launcher`` with these arguments."""
    from ipykernel import kernelapp

    parent = os.environ[PARENT]
    os.environ.clear()
    os.environ.update(env, **{PARENT: parent})
    if sys.path[0] == str(Path.cwd()):
        del sys.path[0]  # the kernel puts its own folder there
    os.chdir(cwd)
    sys.argv[1:] = arguments
    kernelapp.launch_new_instance(argv=arguments)


def main() -> None:
    # As a kernel does before it imports anything; matplotlib reads it when it is imported.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for name in IMPORTS:
        if select.select([sys.stdin], [], [], 0)[0]:
            break  # it is wanted, or nobody is there any more
        with contextlib.suppress(Exception):  # the notebook will meet it and tell
            importlib.import_module(name)
    if line := sys.stdin.readline():
        become_a_kernel(**json.loads(line))


if __name__ == "__main__":
    main()
