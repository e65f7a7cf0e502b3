"""The Ray engine on a real cluster of two nodes, of which one is lost in the middle."""

import os
import socket
import sys
import threading
import time

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.engines import ray as engine
from fewshot_lib.experiments.engines.jobs import Job, names_of
from fewshot_lib.experiments.engines.params import EngineParams
from fewshot_lib.experiments.engines.storage import Sender, Storage, kept
from fewshot_lib.experiments.matrix import run_matrix
from fewshot_lib.experiments.runs import RESULT, run, run_folder
from fewshot_lib.files import runs_folder

ray = pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
pytestmark = [
    pytest.mark.usefixtures("project"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PATIENCE = 120  # seconds


@pytest.fixture(scope="module")
def cluster():
    """A head with one CPU and a node with one CPU and two GPUs that are none."""
    from ray.cluster_utils import Cluster

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        head = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": port}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.client_address = f"ray://127.0.0.1:{port}"
        cluster.add_node(num_cpus=1, num_gpus=2)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


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


def wait_for(condition, what: str):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


def unfinished() -> list:
    """Runs of which an epoch is kept and that are not complete."""
    kept = [path.parent for path in runs_folder().glob("*/state.pt")]
    return [folder for folder in kept if not (folder / RESULT).exists()]


def test_a_lost_node_s_runs_go_on_elsewhere_and_end_with_serial_s_numbers(
    cluster, make_spec, elsewhere
):
    specs = {seed: make_spec(epochs=30, episodes=20, seed=seed) for seed in range(3)}
    node = cluster.add_node(num_cpus=1)
    made, error = {}, []

    def make():
        try:
            made.update(run_matrix(specs, engine="ray", threads=1, gpus=0, address=cluster.address))
        except Exception as caught:
            error.append(caught)

    thread = threading.Thread(target=make)
    thread.start()
    # Three nodes have a CPU each: that many runs are on their way, one of them on this node.
    folders = wait_for(lambda: (f := unfinished()) and len(f) == 3 and f, "three runs at a time")
    before = {folder.name: pd.read_csv(folder / "history.csv") for folder in folders}
    cluster.remove_node(node, allow_graceful=False)
    thread.join(PATIENCE)
    assert not error and not thread.is_alive()
    for one in made.values():
        if (seen := before.get(one.folder.name)) is not None:
            # Seconds are measured: equal ones show that no kept epoch was trained again.
            assert_frame_equal(one.history.head(len(seen)), seen)
    elsewhere()
    assert_same(made, run_matrix(specs, threads=1))


def test_each_run_sees_the_gpu_that_is_its_own(cluster, make_spec):
    specs = [make_spec(epochs=1, seed=seed) for seed in range(2)]
    jobs = [Job(n, s, 0) for n, s in zip(names_of(specs), specs, strict=True)]
    for gpus, expected in ((1, {"0", "1"}), (2, {"0,1"})):
        params = EngineParams(engine="ray", gpus=gpus, address=cluster.address)
        outcomes = engine.make_all(jobs, params)
        assert [o.error for o in outcomes.values()] == [None, None]
        seen = [o.where["gpus"] for o in outcomes.values()]
        assert set(seen) <= expected
        # A process with a GPU makes one run, then gives back what it holds.
        assert len({o.where["pid"] for o in outcomes.values()}) == 2


def test_runs_that_are_complete_are_not_scheduled_and_failed_ones_named(cluster, make_spec):
    good = make_spec(epochs=1)
    before = run(good).folder.joinpath(RESULT).stat().st_mtime_ns
    specs = {"good": good, "bad": make_spec(lr=1e30), "late": make_spec(epochs=1, seed=1)}
    with pytest.raises(InputError, match=r"1 of 2 runs failed.*is not finite"):
        run_matrix(specs, engine="ray", gpus=0, address=cluster.address)
    assert (run_folder(good) / RESULT).stat().st_mtime_ns == before
    assert (run_folder(specs["late"]) / RESULT).exists()


def test_without_a_shared_folder_runs_come_and_go_through_a_storage(
    cluster, make_spec, project, elsewhere
):
    """By Ray's client, as from a laptop; the storage has them for the next one who asks."""
    specs = {seed: make_spec(epochs=2, seed=seed) for seed in range(2)}
    url = f"file://{project}/storage"
    how = {"engine": "ray", "gpus": 0, "threads": 1, "storage": url}
    made = run_matrix(specs, **how, address=cluster.client_address, episodes=9)
    assert all((one.folder / "evaluations").is_dir() for one in made.values())
    stored = {path.name for path in (project / "storage" / made[0].folder.name).iterdir()}
    assert stored == {path.name for path in made[0].folder.iterdir()}
    elsewhere()
    again = run_matrix(specs, **how, address="127.0.0.1:1")  # nobody needs to be there
    assert_same(made, again)
    for one in again.values():
        (one.folder / RESULT).unlink()
    assert_same(made, run_matrix(specs, threads=1))


def test_another_machine_goes_on_with_the_epochs_a_storage_has(make_spec, project, elsewhere):
    short, url = make_spec(epochs=3), f"file://{project}/storage"
    whole = run(short)
    history = whole.history
    elsewhere()
    stopped = run_folder(short)
    with pytest.raises(KeyboardInterrupt), kept(Storage(url), stopped):
        stopping(short, epoch=3)
    sent = {path.name for path in (project / "storage" / stopped.name).iterdir()}
    assert sent == {"spec.yaml", "history.csv", "weights.safetensors", "state.pt"}
    first = pd.read_csv(project / "storage" / stopped.name / "history.csv")
    assert len(first) == 2
    os.environ["FEWSHOT_ROOT"] += "/third"
    with kept(Storage(url), run_folder(short)):
        resumed = run(short)
    assert_frame_equal(resumed.history.head(2), first)
    assert_frame_equal(resumed.history.drop(columns="seconds"), history.drop(columns="seconds"))
    assert resumed.weights_hash == whole.weights_hash
    final = {path.name for path in (project / "storage" / stopped.name).iterdir()}
    assert final == {"spec.yaml", "history.csv", "weights.safetensors", RESULT}


def stopping(spec, epoch: int) -> None:
    """Train, with Ctrl-C in this epoch."""
    from fewshot_lib.progress import Progress

    def stop(self, now, done):
        if now == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "episode", stop)
        run(spec)


def test_sending_takes_a_small_part_of_the_time(make_spec, project, monkeypatch):
    folder = project / "run"
    folder.mkdir()
    for name in ("spec.yaml", "weights.safetensors", "history.csv", "state.pt"):
        (folder / name).write_text("1")
    storage = Storage(f"file://{project}/storage")
    sender, sent, now = Sender(storage, folder), [], [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def send(*_):
        sent.append(now[0])
        now[0] += 3

    monkeypatch.setattr(storage, "send", send)
    for number, moment in enumerate((110, 120, 144), start=1):
        os.utime(folder / "state.pt", (number, number))
        now[0] = max(now[0], moment)
        sender()
    assert sent == [110, 144]  # three seconds of sending, thirty of peace


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threads": 64}, "no node of the Ray cluster has 64 CPUs and 0 GPUs"),
        ({"gpus": 3}, "no node of the Ray cluster has 1 CPUs and 3 GPUs"),
    ],
)
def test_a_run_that_no_node_can_take_is_refused(cluster, make_spec, given, message):
    given = {"gpus": 0} | given
    with pytest.raises(InputError, match=message):
        run_matrix({0: make_spec()}, engine="ray", address=cluster.address, **given)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_named_at_once(make_spec, address):
    began = time.monotonic()
    with pytest.raises(InputError, match=f"no Ray cluster at {address} .*: start one"):
        run_matrix({0: make_spec()}, engine="ray", address=address)
    assert time.monotonic() - began < PATIENCE


def test_without_ray_the_extra_is_named(make_spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs Ray: .*\.\[cluster\]"):
        run_matrix({0: make_spec()}, engine="ray")


def test_a_storage_of_an_unknown_kind_is_named(make_spec):
    with pytest.raises(InputError, match="storage nowhere://x cannot be used"):
        run_matrix({0: make_spec()}, engine="ray", storage="nowhere://x")
