"""How long one waits before anything happens."""

import os
import subprocess
import sys

import pytest
from jupyter_client import KernelManager

from fewshot_lib.report.execute import _ThisPythonSpecs

IMPORTS = "from fewshot_lib.notebook import figures, tables"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "fewshot --help": ["-m", "fewshot_lib.cli.main", "--help"],
    "import torch": ["-c", "import torch"],
    "what a notebook imports": ["-c", IMPORTS],
}
TITLE = "Start"


@pytest.mark.parametrize("name", COMMANDS)
def test_start(benchmark, record, name):
    command = [sys.executable, *COMMANDS[name]]

    def run():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    record(TITLE, name, benchmark.stats.stats.data)


@pytest.mark.parametrize("code", ["", IMPORTS], ids=["kernel", "kernel with imports"])
def test_kernel(benchmark, record, code, request):
    def run():
        manager = KernelManager(kernel_spec_manager=_ThisPythonSpecs())
        manager.start_kernel(env=dict(os.environ))
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            reply = client.execute_interactive(code, timeout=60)
            assert reply["content"]["status"] == "ok"
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    record(TITLE, request.node.callspec.id, benchmark.stats.stats.data)
