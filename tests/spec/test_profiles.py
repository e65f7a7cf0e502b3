"""Profiles, and what the command line and notebooks' parameters cells give on top of them."""

from pathlib import Path

import nbformat
import pytest
import yaml
from report_project import write_params

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.sweeps import read_settings
from fewshot_lib.spec.parameters import DataParams
from fewshot_lib.spec.problems import NOTEBOOKS, PROBLEMS
from fewshot_lib.spec.profiles import load_params, notebook_params, problem_names, read_params
from fewshot_lib.spec.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]
PROBLEM_FILES = sorted(ROOT.glob("params/*/problem*.yaml"))
FILES = [*PROBLEM_FILES, *sorted(ROOT.glob("params/*/common.yaml"))]


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001", "+1e-3"])
def test_numbers_with_an_exponent_are_numbers(text):
    assert read_yaml(f"lr: {text}", "file") == {"lr": 0.001}


def test_other_values_keep_their_types():
    text = "a: 3\nb: e3\nc: [1, 2]\nd: null\ne: true\nf: '1e-3'"
    values = {"a": 3, "b": "e3", "c": [1, 2], "d": None, "e": True, "f": "1e-3"}
    assert read_yaml(text, "file") == values


def test_merge_keys_bring_what_is_not_given():
    """Deeper anchors too, which are read after those who refer to them."""
    text = """
        a: {deep: &x {<<: &y {lr: 1, ema: 2}, lr: 3}}
        b: {<<: *x, ema: 4}
        c: [&z {n: 1}, {<<: [*z, *y], lr: 5}]
    """
    assert read_yaml(text, "file") == {
        "a": {"deep": {"lr": 3, "ema": 2}},
        "b": {"lr": 3, "ema": 4},
        "c": [{"n": 1}, {"n": 1, "lr": 5, "ema": 2}],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: 1\nepochs: 2\nlr: 3", "file, line 3: 'lr' is given twice"),
        ("a: &x {lr: 1}\nb: {<<: *x, lr: 2, lr: 3}", "file, line 2: 'lr' is given twice"),
        ("b: {<<: 3}", "file, line 1: expected a mapping"),
        ("lr: [1", "file, line 1"),
        ("day: 2020-13-45", "file: "),
    ],
)
def test_bad_yaml_names_file_and_line(text, message):
    with pytest.raises(InputError, match="^" + message):
        read_yaml(text, "file")


def test_problem_names_keeps_the_reports_order_and_suggests_the_nearest():
    assert problem_names(["problem2,problem1"]) == ["problem1", "problem2"]
    assert problem_names(["problem2", "problem1"]) == ["problem1", "problem2"]
    assert problem_names([]) == list(PROBLEMS)
    with pytest.raises(InputError, match=r"unknown problem 'problm1' .*'problem1'"):
        problem_names(["problm1"])


def test_file_then_settings(project):
    write_params(project, "quick", "problem1", "lr: 1e-2\nepochs: 3\n")
    params = load_params("quick", ["problem1"], ["epochs=5", "shots=[1, 2]", "lr=2e-3"])["problem1"]
    assert (params.lr, params.epochs, params.shots) == (0.002, 5, [1, 2])


def test_a_setting_applies_where_the_field_exists(project):
    for name in ("problem1", "problem2"):
        write_params(project, "quick", name, "")
    params = load_params("quick", ["problem1", "problem2"], ["epochs=7", "n_aug=4"])
    assert params["problem1"].epochs == params["problem2"].epochs == 7
    assert params["problem2"].n_aug == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "problem1 and what is given by name: unknown parameter .*'epochs'"),
        ("epochs", "expected the form key=value"),
        ("epochs=many", "epochs='many'"),
        ("epochs=[1", r"epochs='\[1': YAML, line 1"),
        ("epochs=", "epochs=''"),
        ("n_aug=3", "unknown parameter 'n_aug'"),
        ("n_way=1", "n_way=1"),
    ],
)
def test_bad_settings(project, setting, message):
    write_params(project, "quick", "problem1", "")
    with pytest.raises(InputError, match=message):
        load_params("quick", ["problem1"], [setting])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "params/quick, problem1: unknown parameter 'epoch' .*'epochs'"),
        ("- a", "params/quick/problem1.yaml: expected lines"),
        ("1: 2", "params/quick, problem1: unknown parameter '1'"),
        ("lr: 0", "params/quick, problem1: lr=0"),
        ("profile: paper", "params/quick/problem1.yaml names another profile: profile: quick"),
    ],
)
def test_bad_files_are_named(project, text, message):
    write_params(project, "quick", "problem1", text)
    with pytest.raises(InputError, match=message):
        load_params("quick", ["problem1"])


def test_what_is_common_holds_where_there_is_such_a_field_and_a_problems_own_comes_first(project):
    write_params(project, "quick", "common", "n_aug: 7\nepochs: 3\nlr: 1e-2")
    for name in ("problem1", "problem2"):
        write_params(project, "quick", name, "profile: quick\nlr: 1e-4" * (name == "problem2"))
    one, two = load_params("quick", ["problem1", "problem2"]).values()
    assert (one.lr, one.epochs) == (0.01, 3)
    assert (two.lr, two.epochs, two.n_aug) == (0.0001, 3, 7)


def test_all_that_is_wrong_in_a_profile_and_in_settings_is_named(project):
    write_params(project, "quick", "common", "epoch: 3\nn_way: 1")
    write_params(project, "quick", "problem1", "lr: fast")
    with pytest.raises(InputError, match=r"n_way=1: .*lr='fast': .*seed=-1: .*'epoch'.*'ema_'"):
        load_params("quick", ["problem1"], ["seed=-1", "ema_=0.5"])


def test_unknown_profile_and_missing_file(project):
    write_params(project, "quick", "problem1", "")
    with pytest.raises(InputError, match=r"unknown profile 'quik' .*'quick'"):
        load_params("quik", ["problem1"])
    with pytest.raises(InputError, match=r"problem2\.yaml is missing"):
        load_params("quick", ["problem2"])


def test_data_dir_starts_from_the_project_or_from_the_shell(project, tmp_path_factory, monkeypatch):
    shell = tmp_path_factory.mktemp("shell")
    (shell / "here").mkdir()
    (project / "there").mkdir()
    monkeypatch.chdir(shell)
    write_params(project, "quick", "problem1", "source: mini_imagenet\ndata_dir: there")
    assert load_params("quick", ["problem1"])["problem1"].data_dir == str(project / "there")
    changed = load_params("quick", ["problem1"], ["data_dir=here"])["problem1"]
    assert changed.data_dir == str(shell / "here")
    with pytest.raises(InputError, match=r"there is no folder .*nowhere"):
        load_params("quick", ["problem1"], ["data_dir=nowhere"])


def test_a_profile_may_leave_its_data_dir_to_the_command_line(project, tmp_path):
    write_params(project, "paper", "problem1", "source: mini_imagenet")
    with pytest.raises(InputError, match="needs its folder: set data_dir"):
        load_params("paper", ["problem1"])
    params = load_params("paper", ["problem1"], [f"data_dir={tmp_path}"])["problem1"]
    assert params.data_dir == str(tmp_path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_profiles_files_say_only_what_differs(path):
    """From the models' defaults, and in a problem's file from what all problems share."""
    values = read_yaml(path.read_text(), path.name)
    if path.stem != "common":
        common = read_yaml((path.parent / "common.yaml").read_text(), "common")
        assert values.pop("profile") == path.parent.name
        assert not [name for name, value in values.items() if common.get(name) == value]
    models = [PROBLEMS[path.stem]] if path.stem in PROBLEMS else list(PROBLEMS.values())
    for name, value in values.items():
        defaults = [m.model_fields[name].default for m in models if name in m.model_fields]
        assert defaults
        assert value not in defaults, name


def test_all_profiles_together_are_short():
    assert sum(len(p.read_text().splitlines()) for p in ROOT.glob("params/*/*.yaml")) <= 400


def namespace_of(name: str, *changes: dict) -> dict:
    """What a notebook's own parameters cell assigns, then what papermill puts after it."""
    cells = nbformat.read(ROOT / "notebooks" / f"{NOTEBOOKS[name]}.ipynb", as_version=4).cells
    (cell,) = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    assert len(cell.splitlines()) <= 12
    namespace = {}
    exec(cell, namespace)
    for change in changes:
        namespace |= change
    return namespace


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_notebook_run_by_hand_has_the_default_profile(name):
    assert notebook_params(name, namespace_of(name)) == load_params("quick", [name])[name]


@pytest.mark.parametrize("path", PROBLEM_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_given_to_papermill_gives_its_whole_profile(path, tmp_path):
    injected = yaml.safe_load(path.read_text())  # as papermill reads it: 2e-3 is text
    given = {"data_dir": str(tmp_path)}
    params = notebook_params(path.stem, namespace_of(path.stem, injected, given))
    expected = load_params(path.parent.name, [path.stem], [f"data_dir={tmp_path}"])
    assert params == expected[path.stem]


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"lr": "1e-3"}, "lr", 0.001),
        ({"shots": "[1, 2]"}, "shots", [1, 2]),
        ({"n_query": None}, "n_query", None),  # a value of its own: as many as shots
        ({"distance_scale": "null"}, "distance_scale", None),
        ({"epochs": None}, "epochs", 10),  # the profile's
        ({"data_dir": None}, "data_dir", None),
    ],
)
def test_what_a_notebook_gives_stands_over_its_profile(given, field, value):
    params = notebook_params("problem1", namespace_of("problem1", given))
    assert getattr(params, field) == value


def test_all_that_a_notebook_gives_wrong_is_named():
    wrong = {"epoch": 5, "n_way": 1, "lr": "fast"}
    with pytest.raises(InputError) as caught:
        notebook_params("problem1", namespace_of("problem1", wrong))
    line = str(caught.value)
    assert "unknown parameter 'epoch' (did you mean 'epochs'?)" in line
    assert "n_way=1: " in line
    assert "lr='fast': " in line
    assert "\n" not in line


def test_a_notebook_without_a_profile_is_told_which_there_are():
    with pytest.raises(InputError, match=r"unknown profile 'None' \(known: laptop, omniglot"):
        notebook_params("problem1", {"epochs": 3})


@pytest.fixture
def images(tmp_path, monkeypatch) -> Path:
    """A folder of images where the project's sweeps look for them."""
    monkeypatch.setattr("fewshot_lib.experiments.sweeps.from_root", tmp_path.joinpath)
    folder = tmp_path / "data" / "mini_imagenet"
    folder.mkdir(parents=True)
    return folder


def test_the_laptops_ablation_ends_with_its_main_run(images):
    """Each setting is made of the one before, the last is the profile's own recipe."""
    *_, last = read_settings(ROOT / "params" / "laptop" / "ablation.yaml")
    params = load_params("laptop", ["problem1"], [f"data_dir={images}"])
    assert last.specs[0] == params["problem1"].main_spec()


def test_the_papers_distances_are_runs_of_its_problem_1(images):
    settings = read_settings(ROOT / "params" / "paper" / "distances.yaml")
    params = load_params("paper", ["problem1"], [f"data_dir={images}"])
    specs = list(params["problem1"].distance_specs().values())
    assert [setting.specs[0] for setting in settings] == specs


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[1, 5]", ["1", "5"]),
        ("[00001, 1e5, 0x1]", ["00001", "1e5", "0x1"]),
        ("[yes, no, on, null, ~]", ["yes", "no", "on", "null", "~"]),
        ("['a, b', \"c\"]", ["a, b", "c"]),
        ("[]", []),
    ],
)
def test_names_of_classes_are_taken_as_they_are_written(text, names):
    assert read_params("folder", "/x", [f"val_classes={text}"]).val_classes == names
    given = {"source": "folder", "data_dir": "/x", "val_classes": text}
    assert DataParams.check(given).val_classes == names  # as papermill -p hands it on
    assert read_yaml(f"a: {{val_classes: {text}}}", "x") == {"a": {"val_classes": names}}
    assert read_params("folder", "/x", ["val_classes=0.3"]).val_classes == 0.3
