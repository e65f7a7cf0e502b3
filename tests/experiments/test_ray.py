"""The Ray engine on one machine: the same numbers, and nothing lost when a process dies."""

import os
import signal
import subprocess
import sys
import threading
import time

import pandas as pd
import psutil
import pytest
import yaml
from pandas.testing import assert_frame_equal

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines import ray as engine
from fewshot_lib.experiments.matrix import run_matrix
from fewshot_lib.experiments.runs import RESULT, run_folder
from fewshot_lib.files import runs_folder
from fewshot_lib.progress import Progress
from fewshot_lib.spec.parameters import Spec

ray = pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
pytestmark = [
    pytest.mark.usefixtures("project"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PATIENCE = 300  # seconds
HOW = {"engine": "ray", "threads": 1}


@pytest.fixture(scope="module")
def here():
    """Ray on this machine, as the engine starts it, with two cores: its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield engine._connect(None).get_runtime_context().gcs_address
        ray.shutdown()


@pytest.fixture
def elsewhere(project, monkeypatch):
    """Moves the project to an empty folder."""
    return lambda: monkeypatch.setenv("FEWSHOT_ROOT", str(project / "elsewhere"))


def assert_same(made: dict, others: dict) -> None:
    for key in others:
        assert made[key].folder != others[key].folder
        assert made[key].weights_hash == others[key].weights_hash
        histories = (r[key].history.drop(columns="seconds") for r in (made, others))
        assert_frame_equal(*histories)


def kill_worker_of(spec, times: int) -> threading.Thread:
    """Kill the process that makes this run so many times, each time after an epoch or more."""
    lock = run_folder(spec) / ".lock"

    def holders() -> list[psutil.Process]:
        workers = [p for p in psutil.Process().children(True) if "ray::" in p.name()]
        return [p for p in workers if any(f.path == str(lock) for f in p.open_files())]

    def kill() -> None:
        for count in range(1, times + 1):
            end = time.monotonic() + PATIENCE
            while engine._epochs_done(lock.parent.name) < count or not holders():
                assert time.monotonic() < end
                time.sleep(0.05)
            for process in holders():
                process.send_signal(signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_runs_are_those_of_serial_and_their_progress_is_shown(
    here, make_spec, project, elsewhere, monkeypatch
):
    """Two start from the same classifier, which is trained once; one is there already."""
    specs = {
        "there": make_spec(),
        "hallucination": make_spec(method="hallucination", n_aug=3),
        "afhn": make_spec(method="adversarial", variant="afhn"),
        "short": make_spec(epochs=1, pretrain_epochs=2),
        "long": make_spec(epochs=2, pretrain_epochs=2),
    }
    there = run_matrix({"there": specs["there"]}, threads=1)["there"]
    before = there.folder.joinpath(RESULT).stat().st_mtime_ns
    shown = []
    monkeypatch.setattr(Progress, "say", lambda self, *said: shown.append((self.label, *said)))
    made = run_matrix(specs, **HOW, episodes=9)
    assert made["there"].folder.joinpath(RESULT).stat().st_mtime_ns == before
    assert all((made[name].folder / "evaluations").is_dir() for name in [*specs][1:])
    assert shown[-1] == ("4 runs on Ray", 9, "4 complete")
    assert len(list(runs_folder().glob(f"*/{RESULT}"))) == 6
    elsewhere()
    assert_same(made, run_matrix(specs, threads=1))


def test_a_run_whose_process_is_killed_goes_on_and_ends_with_serial_s_numbers(
    here, make_spec, elsewhere
):
    specs = {seed: make_spec(epochs=12, episodes=20, seed=seed) for seed in range(2)}
    killer = kill_worker_of(specs[0], 1)
    made = run_matrix(specs, **HOW)
    killer.join()
    elsewhere()
    assert_same(made, run_matrix(specs, threads=1))


def test_a_run_that_is_lost_again_and_again_fails_alone(here, make_spec, monkeypatch):
    """As does one whose training diverges; the others are complete."""
    monkeypatch.setattr(engine, "_RETRIES", 1)
    lost, good = make_spec(epochs=60, episodes=20), make_spec(epochs=1)
    killer = kill_worker_of(lost, 2)
    with pytest.raises(RuntimeError) as caught:
        run_matrix({"lost": lost, "bad": make_spec(lr=1e30), "good": good}, **HOW)
    killer.join()
    words = str(caught.value)
    assert words.startswith("2 of 3 runs failed, the others are complete: ")
    assert "lost 2 times: WorkerCrashedError" in words and "is not finite" in words
    assert "\n" not in words
    assert (run_folder(good) / RESULT).exists()
    assert 2 <= engine._epochs_done(run_folder(lost).name) < 60  # to go on from


def test_a_command_joins_by_address_and_ends_with_one_line(here, make_spec, project):
    """Wrong input of a run that was made elsewhere is wrong input here."""
    base = make_spec(epochs=1).model_dump(exclude={"seed", "n_query", "n_shot_test", "n_aug_test"})
    sweep = project / "trial.yaml"
    sweep.write_text(yaml.safe_dump({"base": base, "grid": {"lr": [0.001, 1e30]}}))
    command = [sys.executable, "-m", "fewshot_lib.cli.main", "sweep", str(sweep)]
    command += ["--engine", "ray", "--threads", "1", "--address", here, "--episodes", "9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("fewshot: 1 of 2 runs failed") and done.stderr.count("\n") == 1
    table = project / "reports" / "sweeps" / "trial" / "settings.csv"
    settings = pd.read_csv(table, dtype={"runs": str})
    assert settings["runs"].tolist() == [run_folder(Spec.check(base | {"lr": 0.001})).name]


def test_a_machine_that_does_not_share_the_folder_is_told_of(here, make_spec, project, monkeypatch):
    monkeypatch.setattr(engine, "project_root", lambda: project / "worker")
    with pytest.raises(InputError, match="a machine that does not share the folder"):
        run_matrix({0: make_spec(epochs=1)}, **HOW)
