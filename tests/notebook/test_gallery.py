"""The gallery of test episodes: which are shown, and that it says what was predicted."""

import pytest
import torch
from bs4 import BeautifulSoup

from fewshot_lib.experiments.runs import bank_for, run
from fewshot_lib.learning.evaluation import Evaluation, Judge
from fewshot_lib.notebook import interactive
from fewshot_lib.notebook.gallery import (
    _gallery,
    _probabilities,
    _worst_typical_best,
    show_episodes,
)

EPISODES = torch.tensor([[[0, 1, 2, 3, 4, 5, 6], [12, 13, 14, 15, 16, 17, 18]]])
PREDICTIONS = torch.tensor([[[0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]]])
SURE = torch.tensor([[[0.9, 0.61, 0.8, 0.7, 0.52, 0.6], [0.99] * 6]])


@pytest.fixture
def soup(bank) -> BeautifulSoup:
    """One episode of classes a and b: two of a's six queries went to b."""
    html = _gallery(Evaluation(EPISODES, PREDICTIONS), bank, {"Worst": 0}, SURE, "Below.")
    return BeautifulSoup(html, "html.parser")


def test_worst_typical_and_best_are_told_by_their_accuracy():
    accuracies = torch.tensor([0.5, 0.2, 0.9, 0.6, 0.4])
    assert _worst_typical_best(accuracies) == {"Worst": 1, "Typical": 0, "Best": 2}
    assert _worst_typical_best(torch.tensor([0.5])) == {"Worst": 0, "Typical": 0, "Best": 0}


def test_wrong_answers_come_first_and_all_are_counted(soup):
    first, second = soup.select(".class")
    assert [div["class"][0] for div in first.select(".query > div")] == ["wrong"] * 2 + [
        "right"
    ] * 3
    assert first.small.text == "4 of 6 right"
    assert second.small.text == "6 of 6 right"
    assert soup.select_one(".title").text == "Worst episode: 10 of 12 right (83 %)"


def test_answers_have_a_sign_the_class_and_the_probability(soup):
    texts = [div.span.get_text() for div in soup.select(".class")[0].select(".query > div")]
    assert texts == ["✗ 61 %b", "✗ 52 %b", "✓ 90 %", "✓ 80 %", "✓ 70 %"]
    answers = [image["alt"] for image in soup.select(".query img")][1:3]
    assert answers == ["query of a, wrong: b, 52 %", "query of a, right: a, 90 %"]


def test_the_figure_and_every_image_are_described(soup):
    assert soup.figure["data-alt"].endswith("of test episodes: worst 83 % right.")
    assert soup.figcaption.text == "Below."
    images = soup.select("img")
    assert len(images) == 2 * (1 + 5)
    assert all(image["alt"] and image["src"].startswith("data:image/jpeg") for image in images)


def test_names_are_escaped(bank):
    bank.class_names[:2] = ["<b>&", '"<i>']
    html = _gallery(Evaluation(EPISODES, PREDICTIONS), bank, {"Best": 0}, SURE, "<u>")
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.select("i, u")
    assert soup.select(".query img")[0]["alt"] == 'query of <b>&, wrong: "<i>, 61 %'


def test_many_ways_show_fewer_images_of_each(make_bank):
    bank, n = make_bank(*[12] * 20), 20
    episodes = (12 * torch.arange(n).unsqueeze(1) + torch.arange(12)).expand(3, -1, -1)
    predictions = torch.zeros(3, n, 11, dtype=torch.int64)
    chosen = {"Worst": 0, "Typical": 1, "Best": 2}
    html = _gallery(Evaluation(episodes, predictions), bank, chosen, torch.ones(3, n, 11))
    assert len(BeautifulSoup(html, "html.parser").select("img")) == 3 * n * 3
    assert len(html.encode()) < 400_000


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("n_shot", [1, 2])
def test_probabilities_are_those_of_the_predictions(make_spec, method, n_shot, monkeypatch):
    """The largest of each query, with the very noise that its episode had in the evaluation."""
    made = run(make_spec(**method))
    monkeypatch.setattr("fewshot_lib.learning.evaluation._EPISODES_AT_ONCE", 7)
    evaluation = made.evaluate(30, n_shot)
    sure = _probabilities(made, evaluation, [23, 4])
    assert sure.shape == (2, 3, 4)
    assert (sure >= 1 / 3 - 1e-6).all()  # no other class is more probable than the predicted one
    everything = _probabilities(made, evaluation, list(range(30)))
    torch.testing.assert_close(sure, everything[[23, 4]])


@pytest.mark.usefixtures("project")
def test_probabilities_are_a_softmax_over_prototypes(make_spec):
    made = run(make_spec())
    evaluation = made.evaluate(5)
    support, query = evaluation.episodes[..., :1], evaluation.episodes[..., 1:].flatten(1)
    (block,) = Judge(made.learner, made.features()).logits(support, query)
    found = _probabilities(made, evaluation, [2])
    torch.testing.assert_close(found.flatten(), block[2].softmax(-1).max(-1).values)


@pytest.mark.usefixtures("project")
def test_a_run_s_episodes_are_shown(make_spec, monkeypatch):
    made, shown = run(make_spec(epochs=1)), []
    monkeypatch.setattr(interactive, "display", lambda data, raw: shown.append(data))
    show_episodes(made, 20, caption="Three episodes.")
    soup = BeautifulSoup(shown[0]["text/html"], "html.parser")
    accuracies = made.evaluate(20).accuracies
    titles = [title.text for title in soup.select(".title")]
    assert [t.split()[0] for t in titles] == ["Worst", "Typical", "Best"]
    assert f"{round(12 * accuracies.min().item())} of 12 right" in titles[0]
    assert soup.figcaption.text == "Three episodes."
    names = bank_for(made.spec, "val").class_names
    assert all(name.next.strip() in names for name in soup.select(".name"))
