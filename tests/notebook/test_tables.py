"""Tables: own numbers beside the original's."""

import pandas as pd
import pytest

from fewshot_lib.experiments.runs import run
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.notebook import tables
from fewshot_lib.spec.parameters import Spec


def rows_of(styler) -> list[list[str]]:
    return styler.data.values.tolist()


def test_an_accuracy_stands_beside_the_original_and_the_difference():
    rows = [
        tables.Row("known", 47.64, Interval(0.4500, 0.0123, 600)),
        tables.Row("new", None, Interval(0.5, 0.01, 10_000)),
    ]
    table = tables.accuracy_table(rows, "A caption")
    assert "<caption>A caption</caption>" in table.to_html()
    assert rows_of(table) == [
        ["known", "47.64", "45.00 ± 1.23", "−2.64", "600"],
        ["new", "–", "50.00 ± 1.00", "–", "10,000"],
    ]


def test_early_and_final_epochs_come_from_the_history(make_spec, project):
    done = run(make_spec())
    table = tables.early_and_final({"1-shot": done}, 1, "Epochs")
    early, final = rows_of(table)
    assert early[0] == "1-shot, early epoch (1)"
    assert final[0] == "1-shot, final epoch (3)"
    assert (early[1], final[1]) == ("24.25", "37.43")
    for row, epoch in ((early, 1), (final, 3)):
        assert row[2].startswith(f"{100 * done.history.val_accuracy[epoch - 1]:.2f}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "euclidean"),
        ({"distance": "cosine", "distance_scale": 10.0}, "scale that starts at 10"),
        ({"distance_normalise": True}, "relative to the feature size"),
        ({"method": "hallucination", "n_aug": 7}, "7 per support in training, 7 in the test"),
        ({"augment": ["flip", "crop"]}, "flip, crop"),
        ({"flip_test": True}, "its mirror image"),
        ({"pretrain_epochs": 3}, "training classes, 3 epochs</td>"),
        ({"pretrain_epochs": 3, "pretrain_head": "cosine"}, "3 epochs, which scores by cosine"),
    ],
)
def test_training_details_follow_the_spec(changes, words):
    assert words in tables.training_details(Spec.check(changes)).to_html()


def test_names_with_markup_are_shown_as_they_are():
    frame = pd.DataFrame({"class": ["<script>alert(1)</script>"]})
    html = tables.plain_table(frame, "<b>").to_html()
    assert "<script>" not in html
    assert "<b>" not in html
