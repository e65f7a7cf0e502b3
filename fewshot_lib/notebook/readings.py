"""What curves, maps and tables show, in sentences made of the measured values."""

import math
from collections.abc import Mapping, Sequence

from fewshot_lib.experiments.matrix import SeedRuns
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook.moves import Move
from fewshot_lib.notebook.sentences import NEGLIGIBLE

_Measures = Mapping[str, float | Interval]
_MORE = {
    "confirmed": "better here than",
    "contradicted": "less well here than",
    "undecided": "neither better nor worse, as far as these images tell, than",
}
_EXPLANATION = (
    "These seem to disagree, and do not: a query asks which prototype is nearest to it, not how "
    "far a prototype is from where it should be. What moves all prototypes alike (the mean cosine "
    "of a move with their common direction is {:.2f}) takes them from their means without "
    "changing much which is nearest; what counts is the rest of the move."
)
GUESS = math.log(2)  # binary cross entropy of a discriminator that answers one half


def early_and_late(runs: Mapping[str, SeedRuns], early_epoch: int) -> str:
    """The best and the worst validation accuracy, after an early and after the last epoch."""
    last = next(iter(runs.values())).spec.epochs
    sentences = []
    for epoch in (early_epoch, last):
        found = [(run.accuracy_at(epoch).mean, name) for name, run in runs.items()]
        best, *others = (f"{name} ({100 * mean:.1f} %)" for mean, name in sorted(found)[::-1])
        behind = f" and {others[-1]} is last" if others else ""
        sentences.append(f"After epoch {epoch}, {best} leads{behind}.")
    return " ".join(sentences)


def order(runs: Mapping[str, SeedRuns], expected: Sequence[str], early_epoch: int) -> str:
    """Whether settings come in the expected order, best first, early and at the end."""
    last = next(iter(runs.values())).spec.epochs
    found = [
        sorted(runs, key=lambda name, epoch=epoch: -runs[name].accuracy_at(epoch).mean)
        for epoch in (early_epoch, last)
    ]
    same = [names == [name for name in expected if name in runs] for names in found]
    words = {
        (True, True): "the same order from the early epochs on",
        (False, True): "the same order at the end, but not in the early epochs",
        (True, False): "the same order in the early epochs, but not at the end",
        (False, False): "another order",
    }[tuple(same)]
    early, late = (", ".join(names) for names in found)
    return f"Here it is {words}. Best first: {early} after epoch {early_epoch}, {late} at the end."


def gap(few: SeedRuns, many: SeedRuns, early_epoch: int) -> str:
    """How far two settings are apart after an early and after the last epoch."""
    early, late = (
        100 * (many.accuracy_at(epoch).mean - few.accuracy_at(epoch).mean)
        for epoch in (early_epoch, many.spec.epochs)
    )
    return f"{early:.1f} points after epoch {early_epoch}, {late:.1f} after the last".replace(
        "-", "−"
    )


def maps(val: _Measures, train: _Measures) -> list[str]:
    """What the maps of Problem 2 show after the head, on validation and training classes."""
    real, made = val["centre accuracy, real"], val["centre accuracy, hallucinated"]
    seen = train["centre accuracy, real"]
    holds = {
        "confirmed": "That is so here",
        "contradicted": "Here it is the other way round",
        "undecided": "Here neither can be told from the other",
    }[made.minus(real).verdict()]
    lost = {
        "confirmed": "so much is lost on classes it has never seen",
        "contradicted": "fewer than on classes it has never seen",
        "undecided": "no more than on classes it has never seen, as far as so few images tell",
    }[seen.minus(real).verdict()]
    return [
        "The original saw hallucinated features in five clear heaps, and real ones that barely "
        f"separate. {holds}: of the hallucinated features of validation classes {_percent(made)} "
        f"lie nearest to their own class's centre, of the real ones {_percent(real)}.",
        f"{_diversity(val['diversity'])} Heaps alone are no merit: copies of the real features "
        "would lie in the heaps of these.",
        f"On classes that the network was trained on, {_percent(seen)} of the real features lie "
        f"nearest to their own centre: {lost}.",
    ]


def _diversity(value: float) -> str:
    """How much hallucinated features of a class differ, in words."""
    if value < 0.1:
        return f"The noise is all but ignored: with a diversity of {value:.2f} all are one."
    if value < 0.8:
        return f"Hallucinated features differ less than real ones (diversity {value:.2f})."
    return f"Hallucinated features differ as much as real ones or more (diversity {value:.2f})."


def move(found: Move, n_classes: int, in_test: Interval) -> list[str]:
    """Whether hallucination moves prototypes the right way, and why measures may disagree.

    Args:
        n_classes: of the split.
        in_test: what hallucinated features in the test are worth to the same weights.
    """
    drawn = "toward" if found.middle.mean < 1 else "away from"
    sentences = [
        "The mixed prototype lies nearer to the true mean than the single shot for "
        f"**{found.nearer}** of {found.nearer.n:,} validation images, at "
        f"**{_times(found.ratio)}** the distance: prototypes are drawn {drawn} the middle of all "
        f"classes ({_times(found.middle)} the distance).",
        f"The share of prototypes with their own class's mean nearest among all {n_classes} "
        f"changes by **{found.righter.points()}**.",
        "In the test (section 2.1) hallucinated features are worth "
        f"**{in_test.points()}** to the same weights.",
    ]
    gain, right = in_test.verdict(NEGLIGIBLE), found.righter.verdict(NEGLIGIBLE)
    nearer = "confirmed" if found.nearer.mean > 0.5 else "contradicted"
    if gain in ("undecided", "practically equal"):
        return [*sentences, "What prototypes do, it hardly decides an answer."]
    if {gain} == {nearer, right}:
        return [*sentences, "All three say the same."]
    return [*sentences, _EXPLANATION.format(found.common.mean)]


def _times(ratio: Interval) -> str:
    return f"{ratio.mean:.3f} ± {ratio.ci95:.3f} times"


def features_of_methods(found: Mapping[str, _Measures]) -> str:
    """Whether Problem 3's real features separate better than Problem 2's, as the original saw."""
    real = {name: values["centre accuracy, real"] for name, values in found.items()}
    made = found["Problem 3"]["centre accuracy, hallucinated"]
    return (
        "The original saw five clear heaps of real and of hallucinated features in Problem 3, "
        "and none of real ones in Problem 2. Here the share of real features nearest to their own "
        f"class's centre is {', '.join(f'{_percent(v)} for {name}' for name, v in real.items())}; "
        f"of Problem 3's hallucinated features it is {_percent(made)}. Problem 3's real features "
        f"separate {_MORE[real['Problem 3'].minus(real['Problem 2']).verdict()]} Problem 2's."
    )


def why(p3: SeedRuns, against_p1: Interval, against_p2: Interval) -> list[str]:
    """What the numbers of the last epoch say about where Problem 3's accuracy comes from."""
    final = p3.history.iloc[-1]
    weight, told = final["fake_weight"], final["discriminator_loss"]
    ease = (
        "it tells real from hallucinated features with ease, the generator is far from fooling it"
        if told < GUESS / 2
        else "it has a hard time telling real from hallucinated features"
    )
    share = weight * final["fake_loss"] / (final["loss"] + weight * final["fake_loss"])
    return [
        f"The discriminator's loss is **{told:.2f}** where guessing gives {GUESS:.2f}: {ease}.",
        f"λ, 0.5 over the generator's loss, is **{weight:.3f}**, so hallucinated queries make up "
        f"**{100 * share:.0f} %** of the extractor's loss: so much can they teach it, the rest is "
        "Problem 1's training.",
        f"What that was worth here is the difference to Problem 1, {against_p1.points()}; the "
        f"difference to Problem 2, {against_p2.points()}, is also what hallucination in the test "
        "costs or gives there.",
        "The extractor works alone in the test: it has no hallucinator's parameters and needs no "
        "noise, so its answer for an image is always the same.",
    ]


def _percent(value: Interval) -> str:
    return f"{100 * value.mean:.1f} %"
