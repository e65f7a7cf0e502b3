"""From numbers to sentences: what a difference does and does not say."""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from fewshot_lib.evaluation import Evaluation, Interval
from fewshot_lib.seeded import SeedEvaluations

Judged = Evaluation | SeedEvaluations  # both know their accuracy and a paired difference


def difference(a: Judged, b: Judged) -> Interval:
    """Accuracy of ``a`` minus that of ``b``: paired where both saw the same queries."""
    try:
        return a.minus(b)
    except ValueError:
        return unpaired(a.accuracy, b.accuracy)


def unpaired(a: Interval, b: Interval) -> Interval:
    """Difference of two independent means; the half widths add in squares."""
    return Interval(a.mean - b.mean, math.hypot(a.ci95, b.ci95), min(a.n, b.n))


def larger_gap(a: Interval, b: Interval) -> Interval:
    """Size of difference ``a`` minus size of difference ``b``."""
    return unpaired(a._replace(mean=abs(a.mean)), b._replace(mean=abs(b.mean)))


def points(gap: Interval) -> str:
    """``+3.14 ± 0.92 points``: a difference of shares in percentage points."""
    return f"{100 * gap.mean:+.2f} ± {100 * gap.ci95:.2f} points".replace("-", "−")


def seconds(gap: Interval) -> str:
    """``+3.1 ± 0.9 s``."""
    return f"{gap.mean:+.2f} ± {gap.ci95:.2f} s".replace("-", "−")


def verdict(gap: Interval) -> str:
    """What the 95 % interval of a difference says about the claim that it is positive."""
    if gap.low > 0:
        return "confirmed"
    return "not confirmed" if gap.high < 0 else "undecided"


class Claim(NamedTuple):
    """Something that was said, and the measured difference that is positive if it is true."""

    text: str
    gap: Interval
    unit: Callable[[Interval], str] = points


def check_claims(claims: Iterable[Claim]) -> pd.DataFrame:
    """Each claim with its verdict and the interval behind it."""
    rows = [(claim.text, verdict(claim.gap), claim.unit(claim.gap)) for claim in claims]
    return pd.DataFrame(rows, columns=["claim", "verdict", "evidence"])


def observed(claims: Iterable[Claim]) -> str:
    """A sentence that sums up the verdicts."""
    verdicts = [verdict(claim.gap) for claim in claims]
    counts = {v: verdicts.count(v) for v in ("confirmed", "not confirmed", "undecided")}
    told = ", ".join(f"{n} {v}" for v, n in counts.items() if n)
    return f"Of {len(verdicts)} claims: {told}. On this data, at this length of training."


def compare(name: str, other: str, gap: Interval) -> str:
    """A sentence on ``name`` against ``other``."""
    word = {"confirmed": "better than", "not confirmed": "worse than"}.get(verdict(gap))
    if word is None:
        return f"**{name}** and **{other}** cannot be told apart ({points(gap)})"
    return f"**{name}** is {word} **{other}** ({points(gap)})"


def ranking(evaluations: dict[str, Judged]) -> list[str]:
    """Sentences that compare each entry with the next best, best first."""
    order = sorted(evaluations, key=lambda name: -evaluations[name].accuracy.mean)
    return [
        compare(better, worse, difference(evaluations[better], evaluations[worse]))
        for better, worse in pairwise(order)
    ]
