"""From numbers to sentences: what a difference does and does not say.

Two trainings that differ in nothing but their seed differ by more than episodes tell. So one method
is called better than another from ``SEEDS_ENOUGH`` seeds on; with fewer a sentence tells what these
weights did. What is compared on the same weights needs one seed.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

import pandas as pd
from IPython.display import Markdown, display

from fewshot_lib.experiments.matrix import SeedEvaluations, difference
from fewshot_lib.learning.intervals import Interval

SEEDS_ENOUGH = 3
NEGLIGIBLE = 0.0025  # a difference of accuracies below this is practically none

# What the verdict on a difference says of methods, and what of the weights of few seeds.
_ON_METHODS = {
    "confirmed": "is better than",
    "contradicted": "is worse than",
    "practically equal": "is practically equal to",
}
_ON_WEIGHTS = {
    "confirmed": "scored higher here than",
    "contradicted": "scored lower here than",
    "practically equal": "scored practically the same here as",
}
_IN_THIS_RUN = {"confirmed": "seen here", "contradicted": "not seen here"}


class Claim(NamedTuple):
    """Something that was said, and the measured difference that is positive if it is true.

    Attributes:
        n_seeds: trainings on each side; None where both sides have the same weights.
        unit: how the difference is written.
    """

    text: str
    gap: Interval
    n_seeds: int | None
    unit: Callable[[Interval], str] = Interval.points

    @property
    def verdict(self) -> str:
        """On the method, or with few seeds on what was seen here."""
        found = self.gap.verdict(NEGLIGIBLE if self.unit is Interval.points else 0)
        return found if _enough(self.n_seeds) else _IN_THIS_RUN.get(found, found)


def _enough(n_seeds: int | None) -> bool:
    return n_seeds is None or n_seeds >= SEEDS_ENOUGH


def check_claims(claims: Iterable[Claim]) -> pd.DataFrame:
    """Each claim with its verdict and the interval behind it."""
    rows = [(claim.text, claim.verdict, claim.unit(claim.gap)) for claim in claims]
    return pd.DataFrame(rows, columns=["claim", "verdict", "evidence"])


def verdicts_in_words(claims: Iterable[Claim]) -> str:
    """What the verdicts on these claims mean."""
    meaning = (
        "*undecided* if the 95 % interval of the difference contains zero, *practically equal* if "
        f"the difference is smaller than {100 * NEGLIGIBLE:g} points"
    )
    n_seeds = [claim.n_seeds for claim in claims]
    few = [n for n in n_seeds if not _enough(n)]
    rest = "*confirmed* if it lies above zero, *contradicted* if it lies below"
    if few:
        seen = "*seen here* if it lies above zero, *not seen here* if it lies below"
        rest = f"{seen}; on the same weights {rest}" if None in n_seeds else seen
    return f"A claim is {meaning}, {rest}. {caveat(*few) if few else ''}".rstrip()


def tally(claims: Iterable[Claim]) -> str:
    """A sentence that sums up the verdicts."""
    verdicts = [claim.verdict for claim in claims]
    shares = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    return f"Of {len(verdicts)} claims: {shares}. On this data, at this length of training."


def caveat(*n_seeds: int) -> str:
    """What a reader must know of findings from so few seeds; nothing where there are enough."""
    if _enough(min(n_seeds)):
        return ""
    if min(n_seeds) == 1:
        return "One training run each: another seed may turn this round."
    return f"{min(n_seeds)} training runs each: other seeds may turn this round."


def compare(name: str, other: str, a: SeedEvaluations, b: SeedEvaluations) -> str:
    """A sentence on the accuracy ``a`` of ``name`` against that of ``other``."""
    gap = difference(a, b)
    found = gap.verdict(NEGLIGIBLE)
    if found == "undecided":
        return f"**{name}** and **{other}** cannot be told apart ({gap.points()})"
    n_seeds = None if a.same_weights(b) else min(len(a.seeds), len(b.seeds))
    words = _ON_METHODS if _enough(n_seeds) else _ON_WEIGHTS
    return f"**{name}** {words[found]} **{other}** ({gap.points()})"


def ranking(evaluations: Mapping[str, SeedEvaluations]) -> list[str]:
    """Sentences that compare each entry with the next best, best first."""
    order = sorted(evaluations, key=lambda name: -evaluations[name].accuracy.mean)
    return [
        f"{compare(better, worse, evaluations[better], evaluations[worse])}."
        for better, worse in pairwise(order)
    ]


def brief(evaluations: Mapping[str, SeedEvaluations]) -> list[str]:
    """``ranking`` of up to three entries; of more, the last one compared with the first."""
    if len(evaluations) <= 3:
        return ranking(evaluations)
    (first, a), *_, (last, b) = evaluations.items()
    return [f"{compare(last, first, b, a)}."]


def disagreements(val: Mapping[str, Interval], test: Mapping[str, Interval]) -> list[str]:
    """Sentences on differences to Problem 1 that validation and test classes see differently.

    They do if one side is decided and the other lies on the other side of zero, or if the two
    differ by more than their intervals allow.
    """
    found = []
    for name in (name for name in val if name in test):
        one, other = val[name], test[name]
        decided = {"confirmed", "contradicted"} & {one.verdict(), other.verdict()}
        if one.minus(other).verdict() != "undecided" or (decided and one.mean * other.mean < 0):
            word = "but" if one.mean * other.mean < 0 else "and, of another size,"
            found.append(
                f"**{name}** against Problem 1: {one.points()} on validation classes, {word} "
                f"{other.points()} on test classes"
            )
    return found


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
    over: str = ""
    whole: str = ""
    lines: str = ""
    first: str = ""


def words(*n_seeds: int) -> _Words:
    """The words for settings with so many seeds, or with these different numbers of seeds."""
    most = max(n_seeds)
    number = f"{most}" if min(n_seeds) == most else f"up to {most}"
    if most == 1:
        return _Words(
            "Every accuracy in this report is a mean over episodes ± 1.96 · standard deviation / "
            "√episodes. The interval tells of other episodes, not of other trainings.",
            "Differences are paired over episodes; ± is a 95 % interval for other episodes.",
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
    """Show sentences as Markdown: a paragraph if there is one, a list if there are more.

    Empty ones are left out.
    """
    texts = [text for text in sentences if text]
    if texts:
        listed = "\n".join(f"- {text}" for text in texts)
        display(Markdown(texts[0] if len(texts) == 1 else listed))
