"""Tables the reader sees: original value, this run ± interval and difference, side by side."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from pandas.io.formats.style import Styler

from fewshot_lib.experiments.matrix import SeedEvaluations, SeedRuns
from fewshot_lib.experiments.testcases import evaluate_testcases
from fewshot_lib.learning.calibration import CALIBRATED
from fewshot_lib.learning.intervals import Interval, of_intervals, points
from fewshot_lib.networks.encoder import count_parameters
from fewshot_lib.notebook.features import Cloud, measures
from fewshot_lib.notebook.published import HEADLINE, ORIGINAL, PUBLISHED
from fewshot_lib.notebook.sentences import seeds_in_words
from fewshot_lib.spec.parameters import Spec

_MISSING = "–"


class Row(NamedTuple):
    """One setting: its name, the original's accuracy in %, and this run's."""

    setting: str
    original: float | None
    accuracy: Interval


def accuracy_table(rows: Iterable[Row], caption: str) -> Styler:
    """Accuracies in %, each beside the original report's value and the difference to it."""
    frame = pd.DataFrame(
        {
            "setting": row.setting,
            "original": _percent(row.original),
            "this run": f"{100 * row.accuracy.mean:.2f} ± {100 * row.accuracy.ci95:.2f}",
            "difference": _signed(row.accuracy, row.original),
            "episodes": f"{row.accuracy.n:,}",
        }
        for row in rows
    )
    return plain_table(frame, caption)


def main_rows(
    runs: Mapping[str, SeedRuns],
    n_episodes: int,
    originals: Mapping[str, float],
    calibrated: bool = False,
) -> list[Row]:
    """Each setting's accuracy, and that on the course's test cases where its data has them.

    Args:
        calibrated: whether prototypes lean on the training classes, see ``calibration``.
    """
    rows = []
    for name, one in runs.items():
        original, full_name = originals.get(name), name + CALIBRATED * calibrated
        judged = one.evaluate(n_episodes, calibrated=calibrated)
        rows.append(Row(full_name, original, judged.accuracy))
        course = [evaluate_testcases(run, calibrated) for run in one.one_by_one()]
        if None not in course:
            setting = f"{full_name}, the course's test cases"
            rows.append(Row(setting, original, of_intervals(course)))
    return rows


def early_and_final(runs: Mapping[str, SeedRuns], early_epoch: int, caption: str) -> Styler:
    """Validation accuracies of an early and of the final epoch; keys as in ``ORIGINAL``."""
    rows = []
    for name, run in runs.items():
        for key, when, epoch in (
            (f"{name} early", "early", early_epoch),
            (name, "final", run.spec.epochs),
        ):
            setting = f"{name}, {when} epoch ({epoch})"
            rows.append(Row(setting, ORIGINAL.get(key), run.accuracy_at(epoch)))
    return accuracy_table(rows, caption)


def training_details(spec: Spec, n_seeds: int = 1) -> Styler:
    """How this run is trained, in words for people."""
    decay = f"× {spec.lr_gamma:g} every {spec.lr_step} epochs"
    decay = decay if spec.lr_schedule == "step" else "down to nothing as a cosine"
    momentum = f", momentum {spec.momentum:g}" if spec.optimizer == "sgd" else ""
    details = {
        "episodes": f"{spec.epochs} epochs × {spec.episodes:,}",
        "training episode": f"{spec.n_way}-way {spec.n_shot}-shot, {spec.n_query} queries a class",
        "validation episode": f"{spec.n_way_test}-way {spec.n_shot_test}-shot, "
        f"{spec.n_query_test} queries a class, {spec.episodes_val} episodes after each epoch",
        "optimizer": f"{spec.optimizer.upper()}{momentum}, weight decay {spec.weight_decay:g}",
        "learning rate": f"{spec.lr:g}, {decay}",
        "hallucinator's rate": f"{spec.hallucinator_lr or 0:g} at first, falling alike",
        "convolutions start as": {"normal": "N(0, 1)", "kaiming": "He et al. 2015"}[spec.init],
        "augmentation": ", ".join(spec.augment) or "none",
        "distance": _distance_in_words(spec),
        "hallucinated features": f"{spec.n_aug} per support in training, {spec.n_aug_test} in the "
        f"test, {'copies of the real one' if spec.residual else 'unrelated to it'} at first",
        "starts from": f"a classifier of the training classes, {spec.pretrain_epochs} epochs"
        f"{', which scores by cosine' if spec.pretrain_head == 'cosine' else ''}",
        "kept weights": f"average over steps, decay {spec.ema:g}",
        "features judged": "means over an image and its mirror image",
        "seed": seeds_in_words(spec.seed, n_seeds),
    }
    for name, is_used in (
        ("hallucinated features", spec.n_aug),
        ("hallucinator's rate", spec.hallucinator_lr),
        ("starts from", spec.pretrain_epochs),
        ("kept weights", spec.ema),
        ("features judged", spec.flip_test),
    ):
        if not is_used:
            del details[name]
    return pairs_table(details, "Training details")


def _distance_in_words(spec: Spec) -> str:
    words = [spec.distance]
    if spec.distance_normalise:
        words.append("relative to the feature size")
    if spec.distance_scale is not None:
        words.append(f"times a learnable scale that starts at {spec.distance_scale:g}")
    return ", ".join(words)


def headline_table(
    judged: Mapping[str, SeedEvaluations],
    gaps: Mapping[str, Interval],
    caption: str,
    original: bool = True,
) -> Styler:
    """The report's result: original, published and own accuracy, and the gap to Problem 1.

    Args:
        original: whether to show the original's values, which are of validation classes.
    """
    rows = [
        {
            "method": name,
            "original": _percent(ORIGINAL.get(HEADLINE.get(name))),
            "published": PUBLISHED.get(name, _MISSING),
            "this run": f"{100 * e.accuracy.mean:.2f} ± {100 * e.accuracy.ci95:.2f}",
            "against Problem 1": points(gaps[name]) if name in gaps else _MISSING,
        }
        for name, e in judged.items()
    ]
    frame = pd.DataFrame(rows)
    return plain_table(frame if original else frame.drop(columns="original"), caption)


def pairs_table(pairs: Mapping[str, str], caption: str) -> Styler:
    """Names and values, one pair a row."""
    return plain_table(pd.DataFrame(pairs.items(), columns=["what", "how"]), caption)


def plain_table(frame: pd.DataFrame, caption: str) -> Styler:
    """A frame without its index, under a caption; markup in names is shown, not obeyed."""
    style = frame.style.format(escape="html").format_index(escape="html", axis="columns")
    return style.hide(axis="index").set_caption(html.escape(caption))


def _percent(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.2f}"


def _signed(accuracy: Interval, original: float | None) -> str:
    if original is None:
        return _MISSING
    return f"{100 * accuracy.mean - original:+.2f}".replace("-", "−")


def cost_table(
    runs: Mapping[str, SeedRuns],
    judged: Mapping[str, SeedEvaluations],
    separability: Mapping[str, Interval],
    caption: str,
) -> Styler:
    """What each method costs and what it gives."""
    rows = [
        {
            "method": name,
            "parameters": f"{count_parameters(run.first.learner.net):,}",
            "seconds per epoch": f"{run.epoch_seconds.mean:.2f}",
            "accuracy": str(judged[name].accuracy),
            "separability": str(separability[name]),
        }
        for name, run in runs.items()
    ]
    return plain_table(pd.DataFrame(rows), caption)


def measures_table(clouds: Mapping[str, Sequence[Cloud]], caption: str) -> Styler:
    """The measures of several spaces, each over the clouds of its seeds, one column each."""
    columns = {
        title: {name: _number(value) for name, value in measures(seeds).items()}
        for title, seeds in clouds.items()
    }
    return plain_table(pd.DataFrame(columns).fillna(_MISSING).reset_index(names="measure"), caption)


def _number(value: float | Interval) -> str:
    return str(value) if isinstance(value, Interval) else f"{value:.2f}"


def differences_table(gaps: Mapping[str, Interval], caption: str) -> Styler:
    """Paired differences in percentage points."""
    rows = [
        {"difference": name, "points": points(gap), "episodes": f"{gap.n:,}"}
        for name, gap in gaps.items()
    ]
    return plain_table(pd.DataFrame(rows), caption)
