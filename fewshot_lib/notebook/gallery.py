"""What an accuracy means: the worst, a typical and the best test episode, image by image."""

from typing import Any

import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.experiments.runs import Run, bank_for
from fewshot_lib.learning.evaluation import Evaluation
from fewshot_lib.notebook.classes import class_words
from fewshot_lib.notebook.interactive import data_uri, html_figure, picture, show_html

_SHOWN = 5  # supports of a class, and queries
_LARGEST = 56  # pixels of an image at most
_PICTURES = 180  # images on the page at most, in all episodes together
_QUALITY = 80  # of JPEG


def show_episodes(run: Run, n_episodes: int, caption: str = "") -> None:
    """Display the worst, a typical and the best episode of ``run.evaluate(n_episodes)``."""
    evaluation = run.evaluate(n_episodes)
    chosen = _worst_typical_best(evaluation.accuracies)
    shares = _probabilities(run, evaluation, list(chosen.values()))
    html = _gallery(evaluation, bank_for(run.spec, "val"), chosen, shares, caption)
    show_html(html, _in_words(evaluation, chosen))


def _worst_typical_best(accuracies: torch.Tensor) -> dict[str, int]:
    """Which episodes to show: the first of the worst, one at the median, the last of the best."""
    order = accuracies.argsort(stable=True).tolist()
    places = {"Worst": 0, "Typical": (len(order) - 1) // 2, "Best": len(order) - 1}
    return {name: order[place] for name, place in places.items()}


def _probabilities(run: Run, evaluation: Evaluation, chosen: list[int]) -> torch.Tensor:
    """The probability of every prediction ``(n_chosen, n_way, n_query)``, over the prototypes.

    The noise of an evaluation is one stream over its episodes: where a method hallucinates, all
    episodes up to the last chosen one are judged once more, so that each meets its own noise.

    Args:
        evaluation: of ``run.evaluate`` on validation classes.
        chosen: positions of episodes.
    """
    n_aug = run.spec.n_aug_test
    n_query = evaluation.predictions.shape[-1]
    n_shot = evaluation.episodes.shape[-1] - n_query
    judged = list(range(max(chosen) + 1)) if n_aug else chosen
    episodes = evaluation.episodes[judged]
    support, query = episodes[..., :n_shot], episodes[..., n_shot:].flatten(1)
    blocks = run.judge(n_shot, n_aug, "val").logits(support, query)
    shares = torch.cat([block.softmax(-1).cpu() for block in blocks])
    shares = shares[[judged.index(i) for i in chosen]]
    predicted = evaluation.predictions[chosen]
    return shares.gather(-1, predicted.flatten(1).unsqueeze(-1)).view(predicted.shape)


def _gallery(
    evaluation: Evaluation,
    bank: ImageBank,
    chosen: dict[str, int],
    shares: torch.Tensor,
    caption: str = "",
) -> str:
    """Episodes as HTML: images by class, queries with their answers, wrong ones first.

    Args:
        chosen: title to the episode's position.
        shares: probabilities of their predictions ``(n_chosen, n_way, n_query)``.
    """
    _, n_way, n_query = evaluation.predictions.shape
    per_class = _PICTURES // (len(chosen) * n_way)
    n_support = min(_SHOWN, evaluation.episodes.shape[-1] - n_query)
    n_shown = max(1, min(_SHOWN, per_class - n_support))
    episodes = []
    for (title, i), own_shares in zip(chosen.items(), shares, strict=True):
        classes = _classes(evaluation, i, bank, own_shares, n_support, n_shown)
        right, n = int(evaluation.correct[i].sum()), n_way * n_query
        counts = {"right": right, "n": n, "percent": f"{100 * right / n:.0f} %"}
        episodes.append({"title": title, **counts, "classes": classes})
    return html_figure("gallery", _in_words(evaluation, chosen), caption, episodes=episodes)


def _in_words(evaluation: Evaluation, chosen: dict[str, int]) -> str:
    shares = {title: 100 * float(evaluation.accuracies[i]) for title, i in chosen.items()}
    words = ", ".join(f"{title.lower()} {share:.0f} %" for title, share in shares.items())
    return f"Supports, queries and answers of test episodes: {words} right."


def _classes(
    evaluation: Evaluation,
    i: int,
    bank: ImageBank,
    shares: torch.Tensor,
    n_support: int,
    n_shown: int,
) -> list[dict[str, Any]]:
    """What the template shows of each class of episode ``i``: at most so many of its images."""

    def source(image: torch.Tensor) -> str:
        return data_uri(picture(bank, int(image), _LARGEST), _QUALITY)

    episode, correct = evaluation.episodes[i], evaluation.correct[i]
    n_query = correct.shape[1]
    words = class_words(bank)
    names = [words[bank.class_names[label]] for label in bank.labels[episode[:, 0]]]
    found = []
    for k, images in enumerate(episode):
        queries = [
            {
                "source": source(images[q - n_query]),
                "right": bool(correct[k, q]),
                "answer": names[evaluation.predictions[i, k, q]],
                "percent": f"{100 * float(shares[k, q]):.0f} %",
            }
            for q in correct[k].long().argsort(stable=True)[:n_shown].tolist()
        ]
        supports = [source(image) for image in images[:n_support]]
        counts = {"right": int(correct[k].sum()), "n": n_query}
        found.append({"name": names[k], **counts, "supports": supports, "queries": queries})
    return found
