"""From numbers to sentences: what a difference does and does not say."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import pandas as pd
from IPython.display import Markdown, display

from fewshot_lib.experiments.matrix import AnyEvaluation, difference
from fewshot_lib.learning.intervals import Interval, points, verdict


class Claim(NamedTuple):
    """Something that was said, and the measured difference that is positive if it is true."""

    text: str
    gap: Interval
    unit: Callable[[Interval], str] = points


def check_claims(claims: Iterable[Claim]) -> pd.DataFrame:
    """Each claim with its verdict and the interval behind it."""
    rows = [(claim.text, verdict(claim.gap), claim.unit(claim.gap)) for claim in claims]
    return pd.DataFrame(rows, columns=["claim", "verdict", "evidence"])


def tally(claims: Iterable[Claim]) -> str:
    """A sentence that sums up the verdicts."""
    verdicts = [verdict(claim.gap) for claim in claims]
    counts = {v: verdicts.count(v) for v in ("confirmed", "not confirmed", "undecided")}
    shares = ", ".join(f"{n} {v}" for v, n in counts.items() if n)
    return f"Of {len(verdicts)} claims: {shares}. On this data, at this length of training."


def compare(name: str, other: str, gap: Interval) -> str:
    """A sentence on ``name`` against ``other``."""
    word = {"confirmed": "better than", "not confirmed": "worse than"}.get(verdict(gap))
    if word is None:
        return f"**{name}** and **{other}** cannot be told apart ({points(gap)})"
    return f"**{name}** is {word} **{other}** ({points(gap)})"


def ranking(evaluations: dict[str, AnyEvaluation]) -> list[str]:
    """Sentences that compare each entry with the next best, best first."""
    order = sorted(evaluations, key=lambda name: -evaluations[name].accuracy.mean)
    return [
        compare(better, worse, difference(evaluations[better], evaluations[worse]))
        for better, worse in pairwise(order)
    ]


class _Words(NamedTuple):
    """What texts and captions say of seeds; nothing more where there is but one.

    Attributes:
        accuracy: what a printed accuracy is.
        paired: what differences are paired over, and what ± is.
        over: end of a table's caption.
        whole: the same, with what ± is.
        lines: end of the caption of curves.
        first: end of the caption of what shows the first seed alone.
    """

    accuracy: str
    paired: str
    over: str
    whole: str
    lines: str
    first: str


def words(*n_seeds: int) -> _Words:
    """The words for settings with so many seeds, or with these different numbers of seeds."""
    most = max(n_seeds)
    number = f"{most}" if min(n_seeds) == most else f"up to {most}"
    if most == 1:
        return _Words(
            "Every accuracy in this report is a mean over episodes ± 1.96 · standard deviation / "
            "√episodes.",
            "Differences are paired over episodes; ± is a 95 % interval.",
            *("", "", "", ""),
        )
    return _Words(
        f"Every setting is trained with {number} seeds. Every accuracy in this report is a mean "
        "over seeds and episodes, ± is its 95 % interval for other seeds and other episodes: it "
        "adds up how much seeds differ and how much episodes do, and takes Student's t for few "
        "seeds. Differences are paired over both.",
        f"Every method was trained with {number} seeds. Differences are paired over seeds and "
        "episodes; ± is a 95 % interval that takes both into account.",
        f", mean over {number} seeds",
        f", mean over {number} seeds ± interval for other seeds and episodes",
        " Thin lines are single seeds, thick ones their means.",
        f" The first of {number} seeds.",
    )


def seeds_in_words(first: int, n_seeds: int) -> str:
    """``0``, or ``0 to 2``."""
    return str(first) if n_seeds == 1 else f"{first} to {first + n_seeds - 1}"


def say(*sentences: str) -> None:
    """Show sentences as Markdown: a paragraph if there is one, a list if there are more."""
    text = sentences[0] if len(sentences) == 1 else "\n".join(f"- {s}" for s in sentences)
    display(Markdown(text))
