"""Tables the reader sees: original value, this run ± interval and difference, side by side."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from pandas.io.formats.style import Styler

from fewshot_lib.experiments.matrix import SeedEvaluations, SeedRuns
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.networks.calibration import CALIBRATED
from fewshot_lib.networks.encoder import count_parameters
from fewshot_lib.notebook.features import Cloud, measures
from fewshot_lib.notebook.published import (
    ORIGINAL,
    TEST_CASES,
    data_in_words,
    others_values,
    protocol,
)
from fewshot_lib.notebook.sentences import seeds_in_words
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.words import episode_shape, episodes_in_words

_MISSING = "–"
_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
# What the original's values were measured in, by their key in ``ORIGINAL``.
_SETTINGS = {
    "main": "Problem 1, 30-way training",
    "hallucination": "Problem 2, 30-way training, M = 200",
    "adversarial": "Problem 3, 30-way training",
    "euclidean": "Euclidean distance, 5-way training",
    "cosine": "cosine similarity, 5-way training",
    "parametric": "parametric function, 5-way training",
}


class Row(NamedTuple):
    """One setting: its name, the original's accuracy in % where it compares, and this run's."""

    setting: str
    original: float | None
    accuracy: Interval


def accuracy_table(rows: Iterable[Row], caption: str) -> Styler:
    """Accuracies in %, beside the original's and the difference to it where there is one."""
    rows = list(rows)
    frame = pd.DataFrame(
        {
            "setting": row.setting,
            "original": _percent(row.original),
            "this run": _with_interval(row.accuracy),
            "difference": _signed(row.accuracy, row.original),
            "episodes": f"{row.accuracy.n:,}",
        }
        for row in rows
    )
    if all(row.original is None for row in rows):
        frame = frame.drop(columns=["original", "difference"])
    return plain_table(frame, caption)


def main_rows(runs: Mapping[str, SeedRuns], n_episodes: int, calibrated: bool = False) -> list[Row]:
    """Each method's accuracy, and that on the course's test cases where its data has them.

    The original was judged on these test cases: its value stands beside theirs.

    Args:
        calibrated: whether prototypes lean on the training classes, see ``calibration``.
    """
    rows = []
    for name, one in runs.items():
        full_name = name + CALIBRATED * calibrated
        rows.append(Row(full_name, None, one.evaluate(n_episodes, calibrated=calibrated).accuracy))
        if (on_cases := one.on_testcases(calibrated)) is not None:
            data, test = data_in_words(one.spec), protocol(one.spec)
            original, _ = others_values(data, test, TEST_CASES)
            value = float(original[full_name]) if full_name in original else None
            rows.append(Row(f"{full_name}, the course's test cases", value, on_cases))
    return rows


def originals_table(keys: Iterable[str], rows: Iterable[Row] = ()) -> Styler | None:
    """The original report's values in a table of their own; nothing where ``rows`` have them.

    Args:
        keys: of ``ORIGINAL``.
        rows: of the table above it.
    """
    if any(row.original is not None for row in rows):
        return None
    settings = {
        key: _SETTINGS.get(key, key.replace(" early", ", early epoch"))
        for key in keys
        if key in ORIGINAL
    }
    frame = pd.DataFrame(
        {"setting": name, "accuracy": _percent(ORIGINAL[key])} for key, name in settings.items()
    )
    caption = "The original report's accuracies in %, on mini-ImageNet at 84 px"
    return plain_table(frame, caption)


def training_details(spec: Spec, n_seeds: int = 1) -> Styler:
    """How this run is trained, in words for people."""
    decay = f"× {spec.lr_gamma:g} every {spec.lr_step} epochs"
    decay = decay if spec.lr_schedule == "step" else "down to nothing as a cosine"
    momentum = f", momentum {spec.momentum:g}" if spec.optimizer == "sgd" else ""
    details = {
        "episodes": f"{spec.epochs} epochs × {spec.episodes:,}",
        "training episode": episodes_in_words(spec.n_way, spec.n_shot, spec.n_query),
        "validation episode": f"{episodes_in_words(*episode_shape(spec))}, "
        f"{spec.episodes_val} episodes after each epoch",
        "optimizer": f"{_OPTIMIZERS[spec.optimizer]}{momentum}, weight decay {spec.weight_decay:g}",
        "learning rate": f"{spec.lr:g}, {decay}",
        **_hallucination_details(spec),
        "convolutions start as": {"normal": "N(0, 1)", "kaiming": "He et al. 2015"}[spec.init],
        "augmentation": ", ".join(spec.augment) or "none",
        "distance": _distance_in_words(spec),
    }
    if spec.batches == "apart":
        details["batches"] = "supports and queries of an episode apart"
    if spec.pretrain_epochs:
        scores = ", which scores by cosine" if spec.pretrain_head == "cosine" else ""
        start = f"a classifier of the training classes, {spec.pretrain_epochs} epochs{scores}"
        details["starts from"] = start
    if spec.ema:
        details["kept weights"] = f"average over steps, decay {spec.ema:g}"
    if spec.flip_test:
        details["features judged"] = "means over an image and its mirror image"
    details["seed"] = seeds_in_words(spec.seed, n_seeds)
    return pairs_table(details, "Training details")


def _hallucination_details(spec: Spec) -> dict[str, str]:
    if not spec.n_aug:
        return {}
    start = "copies of the real one" if spec.residual else "unrelated to it"
    image = "support and per query" if spec.mix_queries else "support"
    details = {
        "hallucinated features": f"{spec.n_aug} per {image} in training, {spec.n_aug_test} in the "
        f"test, {start} at first"
    }
    if spec.hallucinator_lr:
        details["hallucinator's rate"] = f"{spec.hallucinator_lr:g} at first, falling alike"
    return details


def _distance_in_words(spec: Spec) -> str:
    words = [spec.distance]
    if spec.distance_normalise:
        words.append("relative to the feature size")
    if spec.distance_scale is not None:
        words.append(f"times a learnable scale that starts at {spec.distance_scale:g}")
    return ", ".join(words)


def headline_table(
    accuracies: Mapping[str, Interval],
    gaps: Mapping[str, Interval],
    spec: Spec,
    classes: str,
    caption: str,
) -> Styler:
    """The report's result: accuracy and gap to Problem 1, and others' values where they compare.

    Args:
        gaps: paired differences, by method; columns without any value are left out.
        spec: of one of the runs.
        classes: as of ``others_values``.
    """
    original, published = others_values(data_in_words(spec), protocol(spec), classes)
    columns = {
        "method": {name: name for name in accuracies},
        "original": original,
        "published": published,
        "this run": {name: _with_interval(accuracy) for name, accuracy in accuracies.items()},
        "against Problem 1": {name: gap.points() for name, gap in gaps.items()},
        "episodes": {name: f"{accuracy.n:,}" for name, accuracy in accuracies.items()},
    }
    frame = pd.DataFrame({k: v for k, v in columns.items() if v}, index=list(accuracies))
    return plain_table(frame.fillna(_MISSING), caption)


def _with_interval(accuracy: Interval) -> str:
    return f"{100 * accuracy.mean:.2f} ± {100 * accuracy.ci95:.2f}"


def pairs_table(pairs: Mapping[str, str], caption: str) -> Styler:
    """Names and values, one pair a row."""
    return plain_table(pd.DataFrame(pairs.items(), columns=["what", "how"]), caption)


def plain_table(frame: pd.DataFrame, caption: str) -> Styler:
    """A frame without its index, under a caption; markup in names is shown, not obeyed."""
    style = frame.style.format(escape="html").format_index(escape="html", axis="columns")
    texts = [name for name in frame if frame[name].map(lambda v: str(v)[:1].isalpha()).any()]
    left = [{"selector": "", "props": "text-align: left"}]  # JupyterLab aligns all to the right
    style = style.set_table_styles(dict.fromkeys(texts, left), overwrite=False)
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
            "parameters": f"{_parameters_in_test(run):,}",
            "seconds per epoch": f"{run.epoch_seconds.mean:.2f} ± {run.epoch_seconds.ci95:.2f}",
            "accuracy": str(judged[name].accuracy),
            "separability": str(separability[name]),
        }
        for name, run in runs.items()
    ]
    return plain_table(pd.DataFrame(rows), caption)


def _parameters_in_test(runs: SeedRuns) -> int:
    learner = runs.first.learner
    parts = (part for name, part in learner.named_children() if name not in learner.training_only)
    return sum(map(count_parameters, parts))


def measures_table(clouds: Mapping[str | tuple[str, str], Sequence[Cloud]], caption: str) -> Styler:
    """The measures of several spaces, each over the clouds of its seeds, one column each.

    Args:
        clouds: by the column's head, of two lines if it is a pair.
    """
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
        {"difference": name, "points": gap.points(), "episodes": f"{gap.n:,}"}
        for name, gap in gaps.items()
    ]
    return plain_table(pd.DataFrame(rows), caption)
