"""Tables: own numbers beside the original's."""

from types import SimpleNamespace

import pandas as pd
import pytest

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


def test_columns_of_the_original_are_left_out_where_nothing_compares():
    table = tables.accuracy_table([tables.Row("new", None, Interval(0.5, 0.01, 10_000))], "Ours")
    assert rows_of(table) == [["new", "50.00 ± 1.00", "10,000"]]


def test_the_original_s_values_have_a_table_of_their_own():
    rows = [tables.Row("1-shot", None, Interval(0.4, 0.01, 600))]
    table = tables.originals_table(["main", "5-shot"], rows)
    assert rows_of(table) == [["Problem 1, 30-way training", "47.64"], ["5-shot", "58.55"]]
    beside = [*rows, tables.Row("5-shot", 58.55, Interval(0.5, 0.01, 600))]
    assert tables.originals_table(["5-shot"], beside) is None


@pytest.mark.parametrize(("size", "original"), [(84, 47.64), (32, None)])
def test_the_original_stands_beside_the_course_s_test_cases(size, original):
    """It was judged on these; fresh episodes and calibrated prototypes are another test."""
    accuracy = Interval(0.5, 0.01, 600)
    mini = {"source": "mini_imagenet", "data_dir": "somewhere", "image_size": size}
    judged = SimpleNamespace(accuracy=accuracy)
    run = SimpleNamespace(
        spec=Spec.check(mini), evaluate=lambda *_, **__: judged, on_testcases=lambda _: accuracy
    )
    runs = {"Problem 1": run}
    rows = tables.main_rows(runs, 600) + tables.main_rows(runs, 600, calibrated=True)
    assert {row.setting: row.original for row in rows} == {
        "Problem 1": None,
        "Problem 1, the course's test cases": original,
        "Problem 1, calibrated": None,
        "Problem 1, calibrated, the course's test cases": None,
    }


def test_headline_columns_hold_what_compares():
    mini = {"source": "mini_imagenet", "data_dir": "somewhere", "image_size": 84}
    accuracies = {name: Interval(0.5, 0.01, 600) for name in ("Problem 1", "AFHN")}
    gaps = {"AFHN": Interval(0.01, 0.002, 600)}
    heads = {
        classes: list(tables.headline_table(accuracies, gaps, Spec.check(mini), classes, "").data)
        for classes in ("test", "val")
    }
    assert heads["test"] == ["method", "published", "this run", "against Problem 1", "episodes"]
    assert heads["val"] == ["method", "this run", "against Problem 1", "episodes"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "euclidean"),
        ({"n_way": 30, "n_query": 1}, "30-way 1-shot, 1 query a class"),
        ({}, "5-way 1-shot, 15 queries a class"),
        ({"distance": "cosine", "distance_scale": 10.0}, "scale that starts at 10"),
        ({"distance_normalise": True}, "relative to the feature size"),
        ({"method": "hallucination", "n_aug": 7}, "7 per support in training, 7 in the test"),
        (
            {"method": "hallucination", "n_aug": 7, "mix_queries": True},
            "7 per support and per query in training",
        ),
        ({"batches": "apart"}, "supports and queries of an episode apart"),
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
