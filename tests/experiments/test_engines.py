"""Engines: what is to be made, what they may be told, and nothing lost when a run fails."""

import os
import pickle
import sys

import pytest
import torch
from click.testing import CliRunner

from fewshot_lib.cli.main import main
from fewshot_lib.errors import InputError
from fewshot_lib.experiments import runs
from fewshot_lib.experiments.engines import jobs
from fewshot_lib.experiments.engines.jobs import attempt
from fewshot_lib.experiments.engines.ray import _share
from fewshot_lib.experiments.engines.settings import EngineSettings
from fewshot_lib.experiments.matrix import _raise_failures, run_matrix
from fewshot_lib.experiments.runs import finished_run, run, run_names
from fewshot_lib.files import runs_folder

pytestmark = pytest.mark.usefixtures("project", "no_engine_is_named")


@pytest.fixture
def no_engine_is_named(monkeypatch):
    for name in ("FEWSHOT_ENGINE", "FEWSHOT_THREADS", "FEWSHOT_GPUS", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "")


def test_equal_specs_are_one_run_and_complete_runs_are_not_made_again(make_spec, monkeypatch):
    specs = {"a": make_spec(epochs=1), (1, "b"): make_spec(epochs=1, seed=1)}
    run(specs["a"])
    made = []
    real = jobs.run
    monkeypatch.setattr(jobs, "run", lambda spec: made.append(spec) or real(spec))
    found = run_matrix(specs | {"c": specs[1, "b"]})
    assert made == [specs[1, "b"]]
    assert found[1, "b"] == found["c"] == run(specs[1, "b"])
    assert found["a"].spec == specs["a"]


def test_runs_that_fail_are_named_and_the_others_are_finished(make_spec):
    good = {seed: make_spec(epochs=1, seed=seed) for seed in range(3)}
    bad = {"bad": make_spec(lr=1e30, epochs=1), "worse": make_spec(n_query=12)}
    with pytest.raises(InputError, match="2 of 5 runs failed, the others are complete") as caught:
        run_matrix(bad | good)
    text = str(caught.value)
    assert "is not finite in epoch 1" in text and "train0" in text
    assert "\n" not in text
    assert all(finished_run(spec) for spec in good.values())


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(28, "no room"), OSError, "no room"),
        (KeyError("a\nb"), RuntimeError, "KeyError: "),
        (InputError("a\nb"), InputError, "a b"),
    ],
)
@pytest.mark.parametrize("n_others", [0, 1])
def test_errors_keep_their_kind_across_processes(
    make_spec, monkeypatch, error, kind, words, n_others
):
    """A full disk stays one; others fail for wrong input, which weighs less."""

    def fail(spec):
        raise error

    monkeypatch.setattr(jobs, "run", fail)
    spec = make_spec()
    found = pickle.loads(pickle.dumps(attempt(*run_names([spec]), spec, 0, None)))
    others = {str(i): InputError("other") for i in range(n_others)}
    with pytest.raises(kind, match=words) as caught:
        _raise_failures(dict.fromkeys(["it", *others], spec), others | {"it": found})
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert getattr(caught.value, "errno", None) == getattr(error, "errno", None)


def test_a_worker_with_other_data_is_refused(make_spec):
    error = attempt("0123456789ab", make_spec(), 0, None)
    assert isinstance(error, InputError) and "other data or another version" in str(error)


def test_new_runs_are_judged_where_they_are_made(make_spec):
    made = run_matrix({0: make_spec(epochs=1)}, episodes=9)[0]
    (kept,) = (made.folder / "evaluations").iterdir()
    before = kept.stat().st_mtime_ns
    assert made.evaluate(9).accuracy.n == 9
    assert kept.stat().st_mtime_ns == before


def test_serial_threads_are_as_asked_and_as_before_afterwards(make_spec, monkeypatch):
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(jobs, "run", lambda spec: seen.append(torch.get_num_threads()))
    run_matrix({0: make_spec()}, threads=before + 1)
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_a_thousand_specs_look_at_their_data_once(make_spec, monkeypatch):
    looks = []
    real = runs.data_identity
    monkeypatch.setattr(runs, "data_identity", lambda spec: looks.append(1) or real(spec))
    specs = [make_spec(seed=seed) for seed in range(1000)]
    names = run_names(specs)
    assert len(looks) == 1
    assert len(set(names)) == 1000
    assert names[7] == specs[7].identity(real(specs[7])[0])


def test_the_environment_names_the_engine_and_arguments_go_before_it(monkeypatch):
    assert EngineSettings.find() == EngineSettings()
    monkeypatch.setenv("FEWSHOT_ENGINE", "ray")
    monkeypatch.setenv("FEWSHOT_THREADS", "3")
    monkeypatch.setenv("FEWSHOT_GPUS", "0.5")
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    expected = EngineSettings(engine="ray", threads=3, gpus=0.5, address="auto")
    assert EngineSettings.find() == expected
    assert EngineSettings.find(threads=2).threads == 2
    # Serial has no use for Ray's.
    assert EngineSettings.find(engine="serial") == EngineSettings(threads=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"engine": "rai"}, "engine='rai': Input should be 'serial' or 'ray'"),
        ({"engine": "serial", "gpus": 2}, "only engine 'ray' uses gpus: leave it out"),
        ({"engine": "ray", "threads": 0}, "threads=0: Input should be greater than"),
        ({"address": "a:1"}, "only engine 'ray' uses address: leave it out"),
        ({"thraeds": 2}, "unknown parameter 'thraeds' .did you mean 'threads'"),
        ({"engine": "ray", "address": "127.0.0.1:1"}, "no Ray cluster at 127.0.0.1:1 .*: start"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(make_spec, given, message):
    with pytest.raises(InputError, match=message) as caught:
        run_matrix({0: make_spec()}, **given)
    assert "\n" not in str(caught.value)
    assert not list(runs_folder().glob("*"))


def test_a_variable_that_is_no_number_is_named(make_spec, monkeypatch):
    monkeypatch.setenv("FEWSHOT_THREADS", "two")
    with pytest.raises(InputError, match="FEWSHOT_THREADS='two': Input should be a valid integer"):
        run_matrix({0: make_spec()})


def test_without_ray_its_installation_is_told(make_spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = r"^engine 'ray' needs Ray: pip install 'fewshot-report\[cluster\]'$"
    with pytest.raises(InputError, match=words):
        run_matrix({0: make_spec()}, engine="ray")


@pytest.mark.parametrize("command", [["report", "smoke"], ["sweep", "nothing.yaml"]])
def test_commands_refuse_options_that_their_engine_does_not_use(command):
    result = CliRunner().invoke(main, [*command, "--address", "auto"])
    assert result.exit_code == 2
    assert result.output == "fewshot: only engine 'ray' uses address: leave it out\n"


def test_a_command_s_engine_is_in_the_environment_of_what_it_starts(monkeypatch):
    monkeypatch.setattr("fewshot_lib.report.sweep_page.write_sweep", lambda *_: ("", None, None))
    options = ["--engine", "ray", "--gpus", "0.5", "--address", "ray://a:1"]
    assert CliRunner().invoke(main, ["sweep", "a.yaml", *options]).exit_code == 0
    names = ("FEWSHOT_ENGINE", "FEWSHOT_GPUS", "RAY_ADDRESS", "FEWSHOT_THREADS")
    assert [os.environ[name] for name in names] == ["ray", "0.5", "ray://a:1", ""]


EIGHT = [{"CPU": 8}]
FOUR_GPUS = [{"CPU": 8, "GPU": 4}]


@pytest.mark.parametrize(
    ("nodes", "n_jobs", "given", "expected"),
    [
        (EIGHT, 10, {}, (0, 1)),
        (EIGHT, 3, {}, (0, 2)),  # two cores idle rather than seven runs on six
        (EIGHT, 1, {}, (0, 8)),
        (EIGHT, 10, {"threads": 4}, (0, 4)),
        (FOUR_GPUS, 10, {}, (1, 2)),
        (FOUR_GPUS, 2, {}, (1, 4)),
        (FOUR_GPUS, 10, {"gpus": 0.5}, (0.5, 1)),
        (FOUR_GPUS, 10, {"gpus": 0}, (0, 1)),
        ([{"CPU": 4}, {"CPU": 2}, {}], 2, {}, (0, 2)),  # the smallest machine takes one too
        ([{"CPU": 4}, {"CPU": 2, "GPU": 1}], 2, {}, (1, 2)),
    ],
)
def test_gpus_and_cores_are_shared_out(monkeypatch, nodes, n_jobs, given, expected):
    monkeypatch.delenv("FEWSHOT_DEVICE")
    assert _share(nodes, n_jobs, EngineSettings(engine="ray", **given)) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threads": 64}, "no machine has 64 CPUs and 0 GPUs for a run: ask for fewer"),
        ({"gpus": 5}, "no machine has 1 CPUs and 5 GPUs for a run: ask for fewer"),
    ],
)
def test_a_run_that_no_machine_can_take_is_refused(given, message):
    """It would wait for ever."""
    with pytest.raises(InputError, match=message):
        _share(FOUR_GPUS, 1, EngineSettings(engine="ray", **given))


def test_without_a_device_to_train_on_no_gpu_is_asked_for():
    assert _share(FOUR_GPUS, 8, EngineSettings(engine="ray")) == (0, 1)
