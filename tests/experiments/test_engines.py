"""Engines: the same numbers whoever makes the runs, and nothing lost when one of them fails."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from click.testing import CliRunner
from pandas.testing import assert_frame_equal

from fewshot_lib.cli.main import Commands, main
from fewshot_lib.cli.report import report
from fewshot_lib.cli.sweep import sweep
from fewshot_lib.data.bank import cache_file
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines import jobs, make_runs, process
from fewshot_lib.experiments.engines.board import Board, Events
from fewshot_lib.experiments.engines.jobs import Job, Outcome, missing, names_of, raise_failures
from fewshot_lib.experiments.engines.params import EngineParams, engine_params
from fewshot_lib.experiments.matrix import run_matrix
from fewshot_lib.experiments.runs import RESULT, run
from fewshot_lib.files import runs_folder
from fewshot_lib.spec.words import run_title

pytestmark = pytest.mark.usefixtures("project")

TWO = {"engine": "process", "workers": 2, "threads": 1}
DIVERGING = {"lr": 1e30, "epochs": 1}
# A process that has runs made and tells when the first epoch of two of them is kept.
PARENT = """
import json, sys, threading, time
from fewshot_lib.experiments import run_matrix
from fewshot_lib.paths import runs_folder
from fewshot_lib.training import describe
from fewshot_lib.spec import Spec
def tell():
    while len(list(runs_folder().glob("*/state.pt"))) < 2:
        time.sleep(0.05)
    print("training", flush=True)
threading.Thread(target=tell, daemon=True).start()
specs = {s: Spec.check(json.loads(sys.argv[1]) | {"seed": s}) for s in range(4)}
run_matrix(specs, engine="process", workers=2, threads=1)
"""


@pytest.fixture(autouse=True)
def no_engine_is_named(monkeypatch):
    for name in ("ENGINE", "WORKERS", "THREADS", "GPUS", "STORAGE"):
        monkeypatch.delenv(f"FEWSHOT_{name}", raising=False)


def job(spec, episodes: int = 0) -> Job:
    return Job(*names_of([spec]), spec, episodes)


def test_processes_make_the_same_runs_as_one_after_another(make_spec, monkeypatch, project):
    specs = {
        "plain": make_spec(),
        "hallucination": make_spec(method="hallucination", n_aug=3),
        "afhn": make_spec(method="adversarial", variant="afhn"),
    }
    parallel = run_matrix(specs, **TWO)
    monkeypatch.setenv("FEWSHOT_ROOT", str(project / "elsewhere"))
    serial = run_matrix(specs, threads=1)
    for name in specs:
        assert parallel[name].folder != serial[name].folder
        assert parallel[name].weights_hash == serial[name].weights_hash
        histories = (r[name].history.drop(columns="seconds") for r in (parallel, serial))
        assert_frame_equal(*histories)


def test_equal_specs_are_one_job_and_complete_runs_are_none(make_spec):
    first, second = make_spec(epochs=1), make_spec(epochs=1, seed=1)
    made = run(first)
    todo = missing([job(first), job(second), job(second)])
    assert [j.spec for j in todo] == [second]
    before = (made.folder / RESULT).stat().st_mtime_ns
    runs = run_matrix({"a": first, "b": second, "c": second}, **TWO)
    assert (made.folder / RESULT).stat().st_mtime_ns == before
    assert runs["b"] == runs["c"]


@pytest.mark.parametrize("how", [{"engine": "serial"}, TWO], ids=["serial", "process"])
def test_a_run_that_fails_is_named_and_the_others_are_finished(make_spec, how):
    good = {seed: make_spec(epochs=1, seed=seed) for seed in range(3)}
    specs = {"bad": make_spec(**DIVERGING), **good, "worse": make_spec(n_query=12)}
    with pytest.raises(InputError, match="2 of 5 runs failed, the others are complete") as caught:
        run_matrix(specs, **how)
    text = str(caught.value)
    assert "is not finite in epoch 1" in text and "class0" in text
    assert "\n" not in text
    assert not missing(map(job, good.values()))


def test_a_worker_that_is_killed_takes_one_run_along(make_spec, monkeypatch):
    """The first worker dies while it trains; its seat gets another one for the rest."""
    specs = [make_spec(epochs=30 if seed == 0 else 1, seed=seed) for seed in range(3)]
    todo = [job(spec) for spec in specs]
    started = process.Seat.spawn
    victims = []

    def spawn(seat):
        victims.append(started(seat))
        return victims[-1]

    def look(board):
        if len(victims) == 1 and (runs_folder() / todo[0].name / "state.pt").exists():
            victims[0].kill()

    monkeypatch.setattr(process.Seat, "spawn", spawn)
    monkeypatch.setattr(Board, "look", look)
    outcomes = process.make_all(todo, EngineParams(engine="process", workers=1, threads=1))
    assert "signal 9" in outcomes[todo[0].name].error
    assert [outcomes[j.name].error for j in todo[1:]] == [None, None]
    with pytest.raises(RuntimeError, match=r"1 of 3 runs failed.*signal 9"):
        raise_failures(todo, outcomes)
    assert run_matrix({0: specs[0]}, **TWO)[0].history["epoch"].tolist() == [*range(1, 31)]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(make_spec, how):
    values = make_spec(epochs=1000).model_dump_json()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, values],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background processes inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert parent.stdout.readline() == "training\n"
    workers = psutil.Process(parent.pid).children()
    assert len(workers) == 2
    parent.send_signal(how)
    assert parent.wait(30) != 0
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    assert not list(runs_folder().glob(f"*/{RESULT}"))


def test_each_worker_sees_one_gpu_and_its_share_of_threads(make_spec, monkeypatch):
    monkeypatch.setattr(process, "visible_gpus", lambda: ["2", "5"])
    todo = [job(make_spec(epochs=1, seed=seed)) for seed in range(4)]
    outcomes = process.make_all(todo, EngineParams(engine="process", threads=1))
    seen = {(o.where["pid"], o.where["gpus"], o.where["threads"]) for o in outcomes.values()}
    assert len({pid for pid, _, _ in seen}) == len(seen) <= 2
    assert {gpu for _, gpu, _ in seen} <= {"2", "5"}
    assert {threads for _, _, threads in seen} == {1}
    assert os.getpid() not in {pid for pid, _, _ in seen}


@pytest.mark.parametrize(
    ("variables", "count", "expected"),
    [
        ({}, 2, ["0", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "3, GPU-a"}, 2, ["3", "GPU-a"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0, []),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, 0, []),
        ({"FEWSHOT_DEVICE": "cpu"}, 2, []),
    ],
)
def test_gpus_are_those_this_process_may_use(monkeypatch, variables, count, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("FEWSHOT_DEVICE", "auto")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert process.visible_gpus() == expected


@pytest.mark.parametrize(
    ("n_jobs", "given", "n_gpus", "expected"),
    [
        (10, {}, 0, (8, 1)),
        (3, {}, 0, (3, 2)),  # two cores idle rather than seven runs on six
        (10, {"threads": 4}, 0, (2, 4)),
        (10, {"workers": 2}, 0, (2, 4)),
        (10, {}, 4, (4, 2)),
        (2, {}, 4, (2, 4)),
        (10, {"threads": 16}, 0, (1, 16)),
    ],
)
def test_cores_are_shared_out(monkeypatch, n_jobs, given, n_gpus, expected):
    monkeypatch.setattr(process, "core_count", lambda: 8)
    params = EngineParams(engine="process", **given)
    assert process.shares(n_jobs, params, n_gpus) == expected


def test_serial_threads_are_as_asked_and_as_before_afterwards(make_spec, monkeypatch):
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(jobs, "run", lambda spec: seen.append(torch.get_num_threads()))
    make_runs([make_spec()], threads=before + 1)
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_runs_that_start_from_the_same_classifier_share_it(make_spec, monkeypatch, project):
    specs = {k: make_spec(epochs=k, pretrain_epochs=2) for k in (1, 2)}
    parallel = run_matrix(specs, **TWO)
    monkeypatch.setenv("FEWSHOT_ROOT", str(project / "elsewhere"))
    serial = run_matrix(specs, threads=1)
    assert {k: r.weights_hash for k, r in parallel.items()} == {
        k: r.weights_hash for k, r in serial.items()
    }
    assert len(list(runs_folder().glob(f"*/{RESULT}"))) == 3


def test_images_are_decoded_once_for_all_workers(make_spec):
    specs = [make_spec(epochs=1, seed=seed) for seed in range(4)]
    make_runs(specs, **TWO)
    folder = cache_file(specs[0], "train", "").parent
    assert len(list(folder.glob("*.safetensors"))) == 2  # train and val
    assert not list(folder.glob("*.tmp"))


def test_new_runs_are_judged_where_they_are_made(make_spec):
    made = run_matrix({0: make_spec(epochs=1)}, **TWO, episodes=9)[0]
    (kept,) = (made.folder / "evaluations").iterdir()
    before = kept.stat().st_mtime_ns
    assert made.evaluate(9).accuracy.n == 9
    assert kept.stat().st_mtime_ns == before


def test_the_environment_names_the_engine_and_arguments_go_before_it(monkeypatch):
    assert engine_params() == EngineParams()
    monkeypatch.setenv("FEWSHOT_ENGINE", "process")
    monkeypatch.setenv("FEWSHOT_WORKERS", "3")
    assert engine_params() == EngineParams(engine="process", workers=3)
    assert engine_params(workers=2) == EngineParams(engine="process", workers=2)
    assert engine_params("serial") == EngineParams()  # which has no use for workers


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"engine": "proces"}, "engine 'proces' is not known .did you mean 'process'"),
        ({"engine": "serial", "workers": 2}, "engine 'serial' does not use workers"),
        ({"engine": "process", "workers": 0}, "workers=0: Input should be greater than"),
        ({"engine": "process", "storage": "s3://a"}, "engine 'process' does not use storage"),
        ({"engine": "process", "wrokers": 2}, "unknown parameter 'wrokers' .did you mean"),
    ],
)
def test_what_an_engine_cannot_use_is_refused_before_anything_is_made(make_spec, given, message):
    with pytest.raises(InputError, match=message):
        run_matrix({0: make_spec()}, **given)
    assert not runs_folder().exists()


def test_a_variable_that_is_no_number_is_named(make_spec, monkeypatch):
    monkeypatch.setenv("FEWSHOT_THREADS", "two")
    with pytest.raises(InputError, match="FEWSHOT_THREADS=two: expected a number"):
        run_matrix({0: make_spec()})


def test_a_job_and_its_outcome_survive_the_way_through_a_pipe(make_spec):
    there = job(make_spec(), 5)
    assert Job.from_json(json.loads(json.dumps(there.to_json()))) == there
    outcome = Outcome("no room", False, 28, "trace", {"pid": 1})
    assert Outcome(**json.loads(json.dumps(outcome.to_json()))) == outcome


def test_a_full_disk_stays_a_full_disk(make_spec):
    first = job(make_spec())
    with pytest.raises(OSError, match="no room") as caught:
        raise_failures([first], {first.name: Outcome("no room", number=28)})
    assert caught.value.errno == 28


def test_a_job_with_other_data_is_refused(make_spec):
    outcome = jobs.attempt(Job("0123456789ab", make_spec()))
    assert outcome.is_input and "other data or another version" in outcome.error


def test_progress_adds_up_over_all_runs(make_spec, project, monkeypatch):
    """Two runs of ten epochs; one goes on after four that an earlier call made."""
    monkeypatch.setenv("FEWSHOT_PROGRESS", str(project / "all.jsonl"))
    (project / "events").mkdir()
    todo = [job(make_spec(epochs=10, seed=seed)) for seed in (0, 1)]
    board, events = Board(todo, "here"), Events(project / "events")

    def tell(place: int, epoch: float, end: str = "\n") -> None:
        run = run_title(todo[place].spec)
        event = {"event": "episode", "run": run, "epoch": epoch, "epochs": 10}
        with (project / "events" / f"{todo[place].name}.jsonl").open("a") as file:
            file.write(json.dumps(event) + end)
        for name, line in events.new():
            board.take(name, line)

    tell(0, 0.5)
    tell(1, 4.5)
    assert board.start_epoch == 4
    tell(0, 2.5)
    tell(0, 3.5, end="")  # not whole yet
    assert sum(board.done_epochs.values()) == 7
    board.started = time.monotonic() - 30
    board.finish(todo[1].name)
    shown = json.loads((project / "all.jsonl").read_text().splitlines()[-1])
    assert shown["run"] == "2 runs, here"
    assert (shown["epoch"], shown["epochs"]) == (12.5, 20)
    assert shown["seconds_left"] == pytest.approx(30 / 8.5 * 7.5, rel=0.01)


def test_a_thousand_specs_look_at_their_data_once(make_spec, monkeypatch):
    looks = []
    real = jobs.data_fingerprint
    monkeypatch.setattr(jobs, "data_fingerprint", lambda spec: looks.append(1) or real(spec))
    specs = [make_spec(seed=seed) for seed in range(1000)]
    names = names_of(specs)
    assert len(looks) == 1
    assert len(set(names)) == 1000
    assert names[7] == specs[7].identity(real(specs[7]))


@pytest.mark.parametrize("command", [["report", "smoke"], ["sweep", "nothing.yaml"]])
def test_commands_refuse_options_that_their_engine_does_not_use(command):
    commands = Commands(commands={"report": report, "sweep": sweep})
    result = CliRunner().invoke(commands, [*command, "--engine", "process", "--address", "auto"])
    assert result.exit_code == 2
    assert result.output == "fewshot: engine 'process' does not use address: leave it out\n"
    assert "FEWSHOT_ENGINE" not in os.environ


def test_a_command_s_engine_is_in_the_environment_while_it_runs(monkeypatch):
    seen = {}

    def make_report(*_):
        seen.update(os.environ)
        return 0, "index.html"

    monkeypatch.setattr("fewshot_lib.report.build.make_report", make_report)
    options = ["--engine", "ray", "--gpus", "0.5", "--address", "ray://a:1"]
    assert CliRunner().invoke(main, ["report", "smoke", *options]).exit_code == 0
    names = ("FEWSHOT_ENGINE", "FEWSHOT_GPUS", "RAY_ADDRESS")
    assert [seen[name] for name in names] == ["ray", "0.5", "ray://a:1"]
    assert not {"FEWSHOT_ENGINE", "FEWSHOT_GPUS"} & set(os.environ)
