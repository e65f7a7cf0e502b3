"""The course's CSV files: read in any shape, written as the course does, scored by its rule."""

import csv
import io
import re
import subprocess
import sys

import numpy as np
import pytest

from fewshot_lib.data.testcases import (
    TestCases,
    _Score,
    read_testcases,
    score,
    write_predictions,
)
from fewshot_lib.errors import InputError

TWO_WAY = "episode_id,class0_support0,class0_support1,class1_support0,class1_support1,query0\n"


def two_way(line: str) -> str:
    return f"{TWO_WAY}0,a,b,c,d,e\n{line}\n"


@pytest.fixture
def write(tmp_path):
    def write(name: str, text: str | bytes):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_supports_go_by_class_and_shot(write):
    cases = read_testcases(write("t.csv", TWO_WAY + "e1,10,11,12,13,14\ne2,20,21,22,23,24\n"))
    assert cases.episode_ids == ["e1", "e2"]
    assert cases.support.tolist() == [[["10", "11"], ["12", "13"]], [["20", "21"], ["22", "23"]]]
    assert cases.query.tolist() == [["14"], ["24"]]


def test_columns_come_in_any_order(write):
    text = "query1,class1_support0,query0,episode_id,class0_support0\nq1,s1,q0,7,s0\n"
    cases = read_testcases(write("t.csv", text))
    assert cases.episode_ids == ["7"]
    assert cases.support.tolist() == [[["s0"], ["s1"]]]
    assert cases.query.tolist() == [["q0", "q1"]]


@pytest.mark.parametrize(("n_way", "n_shot", "n_queries"), [(5, 1, 75), (12, 3, 1), (2, 11, 12)])
def test_any_way_shot_and_number_of_queries(write, n_way, n_shot, n_queries):
    supports = [f"class{c}_support{k}" for c in range(n_way) for k in range(n_shot)]
    header = ["episode_id", *supports, *(f"query{i}" for i in range(n_queries))]
    row = ["0", *(f"id of {name}" for name in header[1:])]
    cases = read_testcases(write("t.csv", ",".join(header) + "\n" + ",".join(row) + "\n"))
    assert cases.support.shape == (1, n_way, n_shot)
    assert cases.query.shape == (1, n_queries)
    last = n_way - 1, n_shot - 1
    assert cases.support[0][last] == "id of class{}_support{}".format(*last)
    assert cases.query[0, -1] == f"id of query{n_queries - 1}"


def test_byte_order_mark_windows_lines_and_empty_lines_are_read(write):
    text = two_way("1,f,g,h,i,j").replace("\n", "\r\n") + "\r\n"
    cases = read_testcases(write("t.csv", b"\xef\xbb\xbf" + text.encode()))
    assert cases.episode_ids == ["0", "1"]
    assert cases.query.tolist() == [["e"], ["j"]]


BROKEN_TESTCASES = {
    "no episode_id": ("class0_support0,query0\n1,2\n", "no column 'episode_id'"),
    "no support": ("episode_id,query0\n1,2\n", "no column 'class0_support0'"),
    "no query": ("episode_id,class0_support0\n1,2\n", "no column 'query0'"),
    "first missing query": (
        "episode_id,class0_support0,query0,query3\n0,1,2,3\n",
        "no column 'query1'",
    ),
    "missing class": (
        "episode_id,class0_support0,class2_support0,query0\n0,1,2,3\n",
        "no column 'class1_support0'",
    ),
    "unequal supports": (
        "episode_id,class0_support0,class0_support1,class1_support0,query0\n0,1,2,3,4\n",
        "no column 'class1_support1': class1 has 1 of 2 supports, every class needs as many",
    ),
    "misspelt": ("episode_id,class0_support0,query0,qeury1\n0,1,2,3\n", "column 'qeury1' is not"),
    "column twice": ("episode_id,class0_support0,query0,query0\n0,1,2,3\n", "two columns 'query0'"),
    "short line": (two_way("1,a,b,c"), "line 3: 4 values for 6 columns"),
    "long line": (two_way("1,a,b,c,d,e,f"), "line 3: 7 values for 6 columns"),
    "empty value": (two_way("1,a,b,,d,e"), "episode '1': no class1_support0"),
    "episode twice": (two_way("0,a,b,c,d,e"), "episode_id '0' twice"),
    "only a header": (TWO_WAY, "lists no episodes"),
    "empty file": ("", "no column 'episode_id'"),
    "not text": (b"episode_id\n\xff\xfe", "not in UTF-8, save it as CSV in UTF-8"),
}


@pytest.mark.parametrize("case", BROKEN_TESTCASES)
def test_broken_test_cases_are_named_in_one_line(write, case):
    text, words = BROKEN_TESTCASES[case]
    path = write("t.csv", text)
    with pytest.raises(InputError) as caught:
        read_testcases(path)
    message = str(caught.value)
    assert words in message
    assert str(path) in message
    assert "\n" not in message


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*none\.csv"):
        read_testcases(tmp_path / "none.csv")
    with pytest.raises(InputError, match=f"cannot read {re.escape(str(tmp_path))}"):
        read_testcases(tmp_path)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_predictions_are_written_byte_for_byte_as_the_course_s(write, tmp_path, newline):
    text = "episode_id,class0_support0,query0,query1\n5,a,b,c\n'x',d,e,f\n"
    cases = read_testcases(write("t.csv", text.replace("\n", newline)))
    write_predictions(tmp_path / "new" / "p.csv", cases, np.array([[0, 4], [3, 1]]))
    written = (tmp_path / "new" / "p.csv").read_bytes()
    assert written == "episode_id,query0,query1\n5,0,4\n'x',3,1\n".replace("\n", newline).encode()


def test_an_episode_id_with_a_comma_comes_back(tmp_path):
    queries = np.array([["a"], ["b"]], dtype=object)
    cases = TestCases(["one, two", 'a "b"'], queries[:, None], queries)
    write_predictions(tmp_path / "p.csv", cases, [[0], [1]])
    rows = list(csv.reader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert [row[0] for row in rows] == ["episode_id", "one, two", 'a "b"']
    assert score(tmp_path / "p.csv", tmp_path / "p.csv").mean == 1


def test_a_failure_keeps_the_old_predictions(tmp_path):
    old = tmp_path / "p.csv"
    old.write_text("old")
    queries = np.array([["a"], ["b"]], dtype=object)
    cases = TestCases(["1", "2"], queries[:, None], queries)
    with pytest.raises(ValueError, match="shorter"):
        write_predictions(old, cases, [[0]])
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


TRUTH = "episode_id,query0,query1,query2,query3\n0,0,1,2,3\n1,4,3,2,1\n"


def test_score_by_hand(write):
    """Episodes at 3/4 and 1/4: mean 1/2, population std 1/4, interval 1.96 / 4 / √2 = 0.3465."""
    predictions = write("p.csv", "episode_id,query0,query1,query2,query3\n0,0,1,2,0\n1,0,0,0,1\n")
    result = score(predictions, write("t.csv", TRUTH))
    assert result == pytest.approx((0.5, 0.346482), abs=1e-6)
    assert str(result) == "Accuracy: 50.00 +- 34.65 %"


def test_the_line_has_two_decimals():
    assert str(_Score(0.476411, 0.0084)) == "Accuracy: 47.64 +- 0.84 %"


def test_episodes_go_by_id_and_queries_by_name(write):
    shuffled = "query3,query0,episode_id,query1,query2\n1,4,1,3,2\n3,0,0,1,2\n"
    assert score(write("p.csv", shuffled), write("t.csv", TRUTH)) == (1, 0)


def test_a_position_that_the_truth_never_has_is_merely_wrong(write):
    truth = write("t.csv", "episode_id,query0\n0,1\n")
    assert score(write("p.csv", "episode_id,query0\n0,4\n"), truth).mean == 0


def test_more_ways_than_the_course_s_five(write):
    truth = write("t.csv", "episode_id,query0,query1\n0,11,3\n")
    assert score(write("p.csv", "episode_id,query0,query1\n0,11,9\n"), truth).mean == 0.5


NOT_THERE = 'Episodic id mismatch: "{}" does not exist in the provided ground truth file.'
HEADER = "episode_id,query0,query1,query2,query3\n"
MISMATCHES = {
    "too short": (f"{HEADER}0,0,1,2,3\n", "Test case length mismatch."),
    "too long": (TRUTH + "1,4,3,2,1\n", "Test case length mismatch."),
    "other id": (f"{HEADER}0,0,1,2,3\n7,4,3,2,1\n", NOT_THERE.format("7")),
    "the same number": (f"{HEADER}00,0,1,2,3\n1,4,3,2,1\n", NOT_THERE.format("00")),
}


@pytest.mark.parametrize("case", MISMATCHES)
def test_the_course_s_own_words_for_a_mismatch(write, case):
    text, message = MISMATCHES[case]
    with pytest.raises(InputError) as caught:
        score(write("p.csv", text), write("t.csv", TRUTH))
    assert str(caught.value) == message


WRONG_PREDICTIONS = {
    "no id": ("query0,query1,query2,query3\n0,1,2,3\n4,3,2,1\n", "no column 'episode_id'"),
    "missing column": ("episode_id,query0,query1,query3\n0,0,1,3\n1,4,3,1\n", "column 'query2'"),
    "fewer queries": ("episode_id,query0,query1,query2\n0,0,1,2\n1,4,3,2\n", "has 3 queries per"),
    "episode twice": (f"{HEADER}0,0,1,2,3\n0,4,3,2,1\n", "episode_id '0' twice"),
    "a fraction": (f"{HEADER}0,0,1,2,3\n1,4,3,2.0,1\n", "episode '1', query2: '2.0' is not"),
    "a word": (f"{HEADER}0,cat,1,2,3\n1,4,3,2,1\n", "episode '0', query0: 'cat' is not"),
    "nothing": (f"{HEADER}0,0,1,2,\n1,4,3,2,1\n", "episode '0', query3: '' is not"),
    "negative": (f"{HEADER}0,0,-1,2,3\n1,4,3,2,1\n", "query1: '-1' is not"),
    "too large": (f"{HEADER}0,0,1,2,3\n1,5,3,2,1\n", "query0: '5' is not"),
    "far too large": (f"{HEADER}0,0,1,2,3\n1,{'9' * 30},3,2,1\n", "from 0 to 4"),
}


@pytest.mark.parametrize("case", WRONG_PREDICTIONS)
def test_wrong_predictions_are_named_in_one_line(write, case):
    text, words = WRONG_PREDICTIONS[case]
    predictions = write("p.csv", text)
    with pytest.raises(InputError) as caught:
        score(predictions, write("t.csv", TRUTH))
    message = str(caught.value)
    assert words in message
    assert str(predictions) in message
    assert "\n" not in message


def test_a_wrong_truth_is_named(write):
    with pytest.raises(InputError, match=r"t\.csv, episode '1', query3: 'x' is not a position"):
        score(write("p.csv", TRUTH), write("t.csv", TRUTH.replace("2,1\n", "2,x\n")))


def test_scoring_loads_nothing_heavy():
    code = "import sys, fewshot_lib.data.testcases; print({'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
