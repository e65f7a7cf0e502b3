"""What an accuracy means: the worst, a typical and the best test episode, image by image."""

import base64
import hashlib
import io
from html import escape

import torch
from IPython.display import display
from PIL import Image

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.experiments.runs import Run, bank_for
from fewshot_lib.learning.evaluation import Evaluation, logits
from fewshot_lib.learning.randomness import stream
from fewshot_lib.notebook.classes import class_words
from fewshot_lib.notebook.style import asset

_SUPPORTS, _QUERIES = 5, 5  # images of a class that are shown
_LARGEST = 56  # pixels of an image at most
_PICTURES = 180  # images on the page at most, in all episodes together
_QUALITY = 80  # of JPEG


def show_episodes(run: Run, n_episodes: int, caption: str = "") -> None:
    """Display the worst, a typical and the best episode of ``run.evaluate(n_episodes)``.

    Args:
        caption: printed below them.
    """
    evaluation = run.evaluate(n_episodes)
    chosen = _worst_typical_best(evaluation.accuracies)
    shares = _probabilities(run, evaluation, list(chosen.values()))
    html = _gallery(evaluation, bank_for(run.spec, "val"), chosen, shares, caption)
    display({"text/html": html, "text/plain": _in_words(evaluation, chosen)}, raw=True)


def _in_words(evaluation: Evaluation, chosen: dict[str, int]) -> str:
    shares = (
        f"{title.lower()} {100 * evaluation.accuracies[i]:.0f} %" for title, i in chosen.items()
    )
    return f"Supports, queries and answers of test episodes: {', '.join(shares)} right."


def _worst_typical_best(accuracies: torch.Tensor) -> dict[str, int]:
    """Which episodes to show: the first of the worst, one at the median, the last of the best."""
    order = accuracies.argsort(stable=True).tolist()
    places = {"Worst": 0, "Typical": (len(order) - 1) // 2, "Best": len(order) - 1}
    return {name: order[place] for name, place in places.items()}


def _probabilities(run: Run, evaluation: Evaluation, chosen: list[int]) -> torch.Tensor:
    """The probability of what was predicted for every query, softmax over the prototypes.

    The noise of an evaluation is one stream over its episodes: where a method hallucinates, all
    episodes up to the last chosen one are judged once more, so that each meets its own noise.

    Args:
        evaluation: of ``run.evaluate`` on validation classes.
        chosen: positions of episodes.

    Returns:
        ``(n_chosen, n_way, n_query)``.
    """
    n_aug = run.spec.n_aug_test
    _, n_way, n_query = evaluation.predictions.shape
    n_shot = evaluation.episodes.shape[-1] - n_query
    judged = list(range(max(chosen) + 1)) if n_aug else chosen
    episodes = evaluation.episodes[judged]
    support, query = episodes[..., :n_shot], episodes[..., n_shot:].flatten(1)
    noise = stream("report noise", "val", n_way, n_shot, n_query)
    blocks = logits(run.learner, run.features("val"), support, query, n_aug, noise)
    shares = torch.cat([block.softmax(-1).cpu() for block in blocks])
    shares = shares[[judged.index(i) for i in chosen]]
    predicted = evaluation.predictions[chosen].flatten(1).unsqueeze(-1)
    return shares.gather(-1, predicted).view(len(chosen), n_way, n_query)


def _gallery(
    evaluation: Evaluation,
    bank: ImageBank,
    chosen: dict[str, int],
    shares: torch.Tensor,
    caption: str = "",
) -> str:
    """The episodes as a ``<figure>``; the same episodes, the same text.

    Args:
        chosen: title to the episode's position.
        shares: what ``_probabilities`` gives for them.
    """
    _, n_way, n_query = evaluation.predictions.shape
    supports = min(_SUPPORTS, evaluation.episodes.shape[-1] - n_query)
    per_class = _PICTURES // (len(chosen) * n_way)
    queries = max(1, min(_QUERIES, n_query, per_class - supports))
    parts = [
        _episode_html(title, evaluation, i, bank, own, supports, queries)
        for (title, i), own in zip(chosen.items(), shares, strict=True)
    ]
    body = "".join(parts)
    name = "episodes-" + hashlib.sha256(body.encode()).hexdigest()[:10]
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    look = asset("gallery.css").replace("&", f"#{name}")
    alt = escape(_in_words(evaluation, chosen))
    return (
        f'<figure class="interactive" id="{name}" data-alt="{alt}">'
        f"<style>{look}</style>{body}{below}</figure>"
    )


def _episode_html(
    title: str,
    evaluation: Evaluation,
    i: int,
    bank: ImageBank,
    shares: torch.Tensor,
    supports: int,
    queries: int,
) -> str:
    """One episode: a heading that counts, then a row for each class."""
    episode, predictions = evaluation.episodes[i], evaluation.predictions[i]
    n_query = predictions.shape[-1]
    words = class_words(bank)
    names = [words[bank.class_names[label]] for label in bank.labels[episode[:, 0]]]
    right = int(evaluation.correct[i].sum())
    rows = [
        _class_row(bank, names, k, row[:supports], row[-n_query:], predicted, own, queries)
        for k, (row, predicted, own) in enumerate(zip(episode, predictions, shares, strict=True))
    ]
    heading = f"{title} episode: {right} of {predictions.numel()} right"
    share = f"{100 * right / predictions.numel():.0f} %"
    return f'<section><p class="title"><b>{heading}</b> ({share})</p>{"".join(rows)}</section>'


def _class_row(
    bank: ImageBank,
    names: list[str],
    k: int,
    supports: torch.Tensor,
    queries: torch.Tensor,
    predictions: torch.Tensor,
    shares: torch.Tensor,
    shown: int,
) -> str:
    """One class of an episode: its name and count, supports, and some queries, wrong ones first."""
    name, correct = escape(names[k]), predictions == k
    order = correct.long().argsort(stable=True)[:shown].tolist()
    left = "".join(f'<img src="{_picture(bank, i)}" alt="support of {name}">' for i in supports)
    right = "".join(
        _answer(_picture(bank, queries[q]), names, k, int(predictions[q]), float(shares[q]))
        for q in order
    )
    count = f"{int(correct.sum())} of {len(correct)} right"
    return (
        f'<div class="class"><div class="name">{name} <small>{count}</small></div>'
        f'<div class="support">{left}</div><div class="query">{right}</div></div>'
    )


def _answer(source: str, names: list[str], true: int, predicted: int, share: float) -> str:
    """A query in its frame, with a sign, the answer and the answer's probability."""
    right, name = predicted == true, escape(names[predicted])
    sign, kind = ("✓", "right") if right else ("✗", "wrong")
    percent = f"{100 * share:.0f} %"
    alt = f"query of {escape(names[true])}, {kind}: {name}, {percent}"
    words = percent if right else f'{percent}<span class="as">{name}</span>'
    return (
        f'<div class="{kind}" title="{alt}"><img src="{source}" alt="{alt}">'
        f"<span><b>{sign}</b> {words}</span></div>"
    )


def _picture(bank: ImageBank, i: int | torch.Tensor) -> str:
    """An image of the bank as a data URI."""
    image = Image.fromarray(bank.images[int(i)].permute(1, 2, 0).contiguous().numpy())
    if image.width > _LARGEST:
        image = image.resize((_LARGEST, _LARGEST), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
