"""Two processes at one thing: the second waits and says so."""

import subprocess
import sys
import time

from fewshot_lib.files import hold_lock

HOLDER = """
import sys, time
from pathlib import Path
from fewshot_lib.files import hold_lock
with hold_lock(Path(sys.argv[1]), "a"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(lock):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_free_lock_is_taken_in_silence(tmp_path, capsys):
    for _ in range(2):
        with hold_lock(tmp_path / "lock", "training a"):
            pass
    assert capsys.readouterr().err == ""


def test_the_second_waits_for_the_first_and_says_so(tmp_path, capsys):
    process = holder(tmp_path / "lock")
    released = subprocess.Popen(["sleep", "0.3"])
    while released.poll() is None:
        time.sleep(0.01)
    process.stdin.close()
    with hold_lock(tmp_path / "lock", "training a"):
        process.wait(timeout=10)


def test_a_holder_that_is_killed_holds_nothing(tmp_path):
    process = holder(tmp_path / "lock")
    process.kill()
    process.wait()
    with hold_lock(tmp_path / "lock", "training a"):
        pass
