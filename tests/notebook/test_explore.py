"""One episode by hand: the logic apart, the controls without a browser, the notebook headless."""

import os
import re
from pathlib import Path

import nbformat
import pytest
import torch
from PIL import Image

from fewshot_lib import files
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.runs import run
from fewshot_lib.learning.checkpoints import WEIGHTS
from fewshot_lib.learning.evaluation import Judge, encode
from fewshot_lib.learning.randomness import stream
from fewshot_lib.learning.weights import load_trained
from fewshot_lib.notebook.explore import figures
from fewshot_lib.notebook.explore.choices import Settings, finished_networks, images_for
from fewshot_lib.notebook.explore.episode import STEPS, Explorer
from fewshot_lib.notebook.explore.panel import Panel
from fewshot_lib.report.execute import run_notebook
from fewshot_lib.spec.parameters import DataParams

CHECKOUT = Path(files.__file__).parent.parent
HALLUCINATES = {"method": "hallucination", "n_aug": 2}


@pytest.fixture
def make_explorer(project, make_spec):
    def make(**changes) -> Explorer:
        spec = make_spec(**(HALLUCINATES | {"epochs": 1} | changes))
        trained = load_trained(run(spec).folder / WEIGHTS)
        return Explorer(trained, images_for(spec, spec))

    return make


@pytest.fixture
def explorer(make_explorer) -> Explorer:
    """With an episode of three classes, two supports and four queries each."""
    explorer = make_explorer()
    explorer.draw(3, 2, 4, seed=1)
    return explorer


@pytest.fixture
def class_folders(tmp_path_factory) -> Path:
    """Four class folders of six plain images; names that formulas and HTML would swallow."""
    folder = tmp_path_factory.mktemp("own")
    for i, name in enumerate(("<b>red", "$x$", "sea", "sun")):
        (folder / name).mkdir()
        for j in range(6):
            Image.new("RGB", (20, 16), (60 * i, 30 * j, 90)).save(folder / name / f"{j}.png")
    return folder


def test_a_seed_names_an_episode(explorer):
    first = explorer.episode
    explorer.draw(3, 2, 4, seed=2)
    assert not torch.equal(explorer.episode, first)
    explorer.draw(3, 2, 4, seed=1)
    assert torch.equal(explorer.episode, first)
    labels = explorer.bank.labels[first]
    assert torch.equal(labels, labels[:, :1].expand(3, 6))
    assert explorer.names == [f"val{label}" for label in labels[:, 0].tolist()]


def test_without_hallucination_answers_are_those_of_the_evaluation(make_explorer):
    for distance in ("euclidean", "cosine", "parametric"):
        explorer = make_explorer(distance=distance)
        explorer.draw(4, 1, 5, seed=3)
        features = encode(explorer.learner, explorer.bank, torch.device("cpu"))
        support, query = explorer.episode[None, :, :1], explorer.episode[:, 1:].reshape(1, -1)
        expected = Judge(explorer.learner, features).predict(support, query).view(4, 5)
        answer = explorer.classify(0)
        assert torch.equal(answer.predicted, expected)
        assert torch.equal(answer.distances.argmin(-1), expected)
        assert answer.distances.min() >= 0


def test_a_prototype_is_the_mean_of_what_its_supports_and_their_fakes_give(explorer):
    raw, learner = explorer.support.raw[1, 0], explorer.learner
    with torch.no_grad():
        mixed = []
        for j, raw in enumerate(explorer.support.raw[1]):
            noise = stream("explore noise", 1, 1, j)
            fakes = learner.spaces(raw, 3, noise)["before MLP"][1]
            mixed.append(learner.embed((raw + fakes.sum(0)) / 4))
        expected = torch.stack(mixed).mean(0)
    assert torch.allclose(explorer.prototypes(3)[1], expected, atol=1e-4)


def test_the_first_fakes_stay_the_same_when_more_are_added(explorer):
    few, many = explorer.fakes(3), explorer.fakes(200)
    assert few.shape[:3] == (3, 2, 3)
    assert torch.allclose(many[:, :, :3], few, atol=1e-5)


def test_a_path_leads_from_the_shot_alone_to_m_on_a_plane_that_stays(explorer):
    short, long = explorer.move(1), explorer.move(7)
    assert (short.steps, long.steps) == ([0, 1], [0, 1, 2, 3, 5, 7])
    assert long.path.shape == (6, 3, 2)
    assert torch.allclose(short.path, long.path[:2], atol=1e-4)
    # M = 0: the prototype lies in the middle of its supports, as the plane is a linear map.
    assert torch.allclose(long.path[0], long.support.mean(1), atol=1e-4)
    assert long.fakes.shape == (3, 2 * 7, 2)
    low, high = long.corners
    assert ((long.fakes >= low - 1e-4) & (long.fakes <= high + 1e-4)).all()


def test_a_network_that_hallucinates_nothing_has_no_path(make_explorer):
    explorer = make_explorer(method="prototypical", n_aug=0)
    explorer.draw(3, 1, 2)
    assert not explorer.hallucinates
    assert explorer.move(0).path.shape == (1, 3, 2)


def test_adversarial_networks_can_be_explored_too(make_explorer):
    explorer = make_explorer(method="adversarial", n_aug=0)
    explorer.draw(3, 1, 2)
    assert explorer.classify(5).predicted.shape == (3, 2)
    assert explorer.move(5).fakes.shape == (3, 5, 2)


def test_an_episode_that_cannot_be_filled_is_refused_and_the_old_one_kept(explorer):
    before = explorer.episode
    with pytest.raises(InputError, match="has 12 images, an episode needs 14"):
        explorer.draw(3, 10, 4)
    assert torch.equal(explorer.episode, before)


def test_a_folder_gives_all_its_classes_to_a_network_that_learned_elsewhere(
    project, make_spec, class_folders
):
    data = DataParams.check({"source": "folder", "data_dir": str(class_folders)})
    spec = make_spec()
    bank = images_for(spec, data)
    assert bank.class_names == ["$x$", "<b>red", "sea", "sun"]
    assert bank.image_size == 16
    learned = spec.model_copy(update={"source": "folder", "data_dir": str(class_folders)})
    assert len(images_for(learned, data).class_names) == 1


def test_a_folder_that_is_split_already_gives_its_validation_classes(
    project, make_spec, class_folders
):
    for split, name in {"train": "sea", "val": "sun"}.items():
        (class_folders / split).mkdir()
        (class_folders / name).rename(class_folders / split / name)
    data = DataParams.check({"source": "folder", "data_dir": str(class_folders)})
    assert images_for(make_spec(), data).class_names == ["sun"]


def test_settings_take_a_folder_as_it_is_pasted():
    data = Settings.check({}).data("folder", ' "/my images" ')
    assert (data.data_dir, data.images_per_class) == ("/my images", None)
    assert Settings.check({}).data("glyphs", " ").images_per_class == 60
    with pytest.raises(InputError, match="needs its folder"):
        Settings.check({}).data("folder", " ")


def test_finished_runs_are_found_newest_first_and_damaged_ones_left_out(project, make_spec):
    runs = [run(make_spec(epochs=1, seed=seed)) for seed in range(3)]
    for age, finished in enumerate(runs):
        result = finished.folder / "result.json"
        os.utime(result, (1e9 - age, 1e9 - age))
    (runs[1].folder / WEIGHTS).write_bytes(b"damaged")
    assert [network.spec.seed for network in finished_networks()] == [0, 2]


def test_every_network_that_came_with_the_project_can_be_picked():
    shipped = {file.stem for file in CHECKOUT.glob("reports/reference/*/weights/*")}
    assert shipped <= {network.weights.stem for network in finished_networks()}


def test_right_and_wrong_are_told_by_sign_and_names_are_shown_as_written(explorer):
    answer = explorer.classify(2)
    names = ["$x$", "<b>", "a name that is far too long for its line " * 3]
    figure = figures.episode(explorer.bank, explorer.episode, 2, names, answer)
    signs = [text.get_text() for text in figure.axes[0].texts]
    expected = [
        f"{'✓' if p == i else '✗'} {'ABC'[p]}"
        for i, row in enumerate(answer.predicted.tolist())
        for p in row
    ]
    assert signs == expected
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert rows[:2] == [r"A  \$x\$", "B  <b>"]
    assert rows[2].endswith("…")


def test_the_heatmap_shows_every_distance_and_frames_the_nearest(explorer):
    answer = explorer.classify(1)
    figure = figures.distances(explorer.names, answer, "euclidean")
    (ax,) = figure.axes
    assert len(ax.texts) == 12 * 3
    framed = [(int(p.get_x()), int(p.get_y())) for p in ax.patches]
    assert framed == [(p, i) for i, p in enumerate(answer.predicted.flatten().tolist())]


@pytest.fixture
def panel(project, make_spec, data_dir) -> Panel:
    """As the notebook makes it, on small images and a network of as small ones."""
    run(make_spec(**HALLUCINATES, epochs=1))
    values = {"source": "mini_imagenet", "data_dir": str(data_dir), "image_size": 16}
    panel = Panel(Settings.check(values | {"images_per_class": 8, "n_way": 3}))
    panel.network()
    return panel


def pictures(panel: Panel) -> dict[str, str]:
    return {name: place.content.get("text/html", "") for name, place in panel.figures.items()}


def test_controls_redraw_every_figure_with_its_description(panel):
    before = pictures(panel)
    assert re.search(r"\d+ of 12 right \(\d+ %\)", panel.result.value)
    assert "learned" not in panel.message.value and not panel.message.value
    for name in ("episode", "distances", "movement"):
        assert re.search(r'<img [^>]*alt="[^"]{20,}"[^>]*src="data:image/', before[name])
    panel.new.click()
    assert panel.seed.value == 1
    after = pictures(panel)
    assert all(after[name] != before[name] for name in ("episode", "distances", "movement"))
    panel.n_aug.value = 50
    assert "of 3 prototypes from M = 0 to 50" in panel.figures["movement"].content["text/plain"]
    panel.n_way.value = 4
    assert " of 16 right" in panel.result.value


def test_wrong_input_is_told_in_one_line_and_the_figures_stay(panel):
    before = pictures(panel)
    panel.data_dir.value = "/no/<b>/folder"
    assert "no folder /no/&lt;b&gt;/folder" in panel.message.value
    assert 'role="alert"' in panel.message.value
    assert pictures(panel) == before
    panel.n_aug.value = 5  # what is on screen can still be moved
    assert pictures(panel) != before


def test_too_many_supports_are_told_and_fewer_mend_it(panel):
    panel.n_shot.value = 5
    assert "has 8 images, an episode needs 9" in panel.message.value
    panel.n_shot.value = 4
    assert panel.message.value == ""


def test_a_panel_that_never_loaded_anything_only_says_why(project, make_spec):
    run(make_spec(epochs=1))
    panel = Panel(Settings.check({"source": "folder", "data_dir": "/no/folder"}))
    panel.network()
    panel.n_aug.value = 10
    panel.new.click()
    assert "no folder /no/folder" not in panel.result.value
    assert "no folder /no/folder" in panel.message.value


def test_another_network_may_hallucinate_nothing(panel, make_spec):
    run(make_spec(epochs=1))
    later = Panel(panel.settings)
    assert later.networks[later.net.value].spec.method == "hallucination"
    later.net.value = 1 - later.net.value
    assert later.n_aug.disabled
    assert "hallucinates nothing" in later.result.value


def test_without_any_network_it_is_said_what_to_do(project):
    with pytest.raises(InputError, match="make a report first"):
        Panel(Settings.check({}))


def test_the_notebook_runs_to_its_end_without_a_frontend(project, make_spec):
    run(make_spec(**HALLUCINATES, epochs=1))
    small = {"source": "glyphs", "images_per_class": 6, "n_query": 2}
    target = project / "explore.ipynb"
    run_notebook(CHECKOUT / "notebooks" / "explore.ipynb", target, small)
    cells = nbformat.read(target, as_version=4).cells
    shown = [o["data"].get("text/html", "") for c in cells for o in c.get("outputs", ())]
    assert sum("<img" in html for html in shown) == 3
    assert max(STEPS) == 200  # what the prose tells to move M to
