"""What the terminal shows while notebooks run, in and out of a terminal."""

import io

import nbformat
import pytest
from report_project import write_notebook

from fewshot_lib.report.display import Display
from fewshot_lib.report.execute import run_notebook
from fewshot_lib.spec.problems import PROBLEMS

EPOCHS = [
    "\repoch 1/30, ? left, 1-shot",
    "\repoch 2/30, 00:41 left, 1-shot, validation 31.4 %",
    "\r      \r",
    "\repoch 1/30, 00:50 left, 5-shot",
]
TRAINS = """import time
from fewshot_lib.progress import Progress, announce
progress = Progress("5-way", 2, 10)
for epoch in (1, 2):
    time.sleep(1.1)
    progress.epoch(epoch, {"val_accuracy": 0.5})
announce("a note")"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    """A terminal of 80 columns."""
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda file: (79, 23))
    return Terminal()


def test_plain_output_has_a_line_per_notebook_and_per_run():
    stream = io.StringIO()
    with Display(2, stream) as display:
        display.start("problem1")
        display.on_cell(3, 20)
        for text in EPOCHS:
            display.write(text)
        display.end("complete")
    lines = stream.getvalue().splitlines()
    assert lines[:3] == [
        "[1/2] problem1 …",
        "  training 1-shot: epoch 2/30, 00:41 left",
        "  training 5-shot: epoch 1/30, 00:50 left",
    ]
    assert lines[3].startswith("[1/2] problem1: complete (")
    assert len(lines) == 4


def test_the_live_line_tells_epoch_and_time_first_then_the_place(terminal):
    with Display(3, terminal) as display:
        display.start("problem1")
        display.on_cell(4, 20)
        display.write(EPOCHS[1])
        line = terminal.getvalue().split("\r")[-1]
        place = "[1/3] problem1, cell 4/20"
        assert line.startswith(f"epoch 2/30, 00:41 left · {place} · 1-shot, validation 31")
        assert len(line) < 80
        display.write(EPOCHS[2])
        assert terminal.getvalue().split("\r")[-1].strip() == place


def test_notes_stand_between_what_is_live(terminal):
    with Display(1, terminal) as display:
        display.start("problem1")
        display.write("\r     \rwaiting until it is done\n\repoch 1/2, 00:02 left, run")
        lines = [line.strip() for line in terminal.getvalue().split("\r")]
    assert "waiting until it is done" in [line.partition("\n")[0] for line in lines]
    assert lines[-1].startswith("epoch 1/2, 00:02 left")


def test_a_training_in_a_notebook_is_shown_by_the_command_alone(project, monkeypatch):
    monkeypatch.setenv("FEWSHOT_REPORT", str(project))
    source, stream = write_notebook(project, "problem1", [TRAINS]), io.StringIO()
    with Display(1, stream) as display:
        display.start("problem1")
        values = PROBLEMS["problem1"]().model_dump()
        run_notebook(source, project / "out.ipynb", values, display.on_cell, display)
    assert stream.getvalue().splitlines() == [
        "[1/1] problem1 …",
        "  training 5-way: epoch 2/2, 00:01 left",
        "a note",
    ]
    cells = nbformat.read(project / "out.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output.get("name") for output in outputs] == ["stderr"]
    assert outputs[0].text.strip() == "a note"
