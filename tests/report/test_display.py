"""What the terminal shows, in and out of a terminal."""

import io
import json
import os
from pathlib import Path

import pytest

from fewshot_lib.progress import Progress
from fewshot_lib.report.display import VARIABLE, Display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report(epoch: float, run: str = "1-shot") -> None:
    event = {"event": "epoch", "run": run, "epoch": epoch, "epochs": 30, "seconds_left": 41.2}
    with Path(os.environ[VARIABLE]).open("a") as file:
        file.write(json.dumps(event) + "\n")


def test_plain_output_has_a_line_per_notebook_and_per_run():
    stream = io.StringIO()
    with Display(2, stream) as display:
        display.start("problem1")
        for epoch in (1, 2, 3):
            report(epoch)
            display.read()
        report(1, "5-shot")
        display.end("complete")
    lines = stream.getvalue().splitlines()
    assert lines[:3] == [
        "[1/2] problem1 …",
        "  training 1-shot: 30 epochs, about 41 s",
        "  training 5-shot: 30 epochs, about 41 s",
    ]
    assert lines[3].startswith("[1/2] problem1: complete (")
    assert len(lines) == 4


def test_live_line_tells_notebook_cell_run_epoch_and_time(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with Display(3, Terminal()) as display:
        display.start("problem1")
        display.on_cell(4, 20)
        report(2.4)
        display.read()
        line = display.line()
    start = "[1/3] problem1 · cell 4/20 · 1-shot · epoch 3/30 · 41 s left · "
    assert line.startswith(start)


def test_live_line_fits_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    with Display(1, Terminal()) as display:
        display.start("a name that is far longer than the terminal is wide")
        assert len(display.line()) == 29


@pytest.mark.parametrize("text", ["not json\n", "[]\n", "{}\n", '{"event": "ep'])
def test_damaged_lines_are_passed_over(text):
    stream = io.StringIO()
    with Display(1, stream) as display:
        display.start("problem1")
        Path(os.environ[VARIABLE]).write_text(text)
        display.read()
    assert stream.getvalue() == "[1/1] problem1 …\n"


def test_a_line_is_read_when_it_is_whole():
    stream = io.StringIO()
    with Display(1, stream) as display:
        display.start("problem1")
        path = Path(os.environ[VARIABLE])
        whole = json.dumps({"run": "1-shot", "epoch": 1, "epochs": 2, "seconds_left": None}) + "\n"
        path.write_text(whole[:20])
        display.read()
        path.write_text(whole)
        display.read()
    assert stream.getvalue() == "[1/1] problem1 …\n  training 1-shot: 2 epochs\n"


def test_a_training_is_announced_when_it_can_be_said_how_long_it_takes():
    stream = io.StringIO()
    with Display(1, stream) as display:
        display.start("problem1")
        path = Path(os.environ[VARIABLE])
        for left in (None, 41.2):
            event = {"event": "episode", "run": "1-shot", "epoch": 0.1, "epochs": 2}
            with path.open("a") as file:
                file.write(json.dumps(event | {"seconds_left": left}) + "\n")
            display.read()
    assert stream.getvalue() == "[1/1] problem1 …\n  training 1-shot: 2 epochs, about 41 s\n"


def test_the_librarys_own_events_are_understood(monkeypatch):
    stream = io.StringIO()
    with Display(1, stream) as display:
        display.start("problem1")
        Progress("5-way", 4, 10).epoch(1, {"val_accuracy": 0.5})
        display.read()
    assert "  training 5-way: 4 epochs" in stream.getvalue()


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv(VARIABLE, "before")
    with Display(1, io.StringIO()):
        assert os.environ[VARIABLE] != "before"
    assert os.environ[VARIABLE] == "before"
