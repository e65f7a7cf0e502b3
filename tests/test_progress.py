"""Progress: one line for whoever watches, nothing for others."""

import io
import sys
from collections.abc import Callable

import pytest

from fewshot_lib.progress import Progress, announce, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def watch(monkeypatch) -> Callable[[], Terminal]:
    """Put a terminal of 80 columns in place of stderr: within the test, as pytest changes it."""

    def put() -> Terminal:
        monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda file: (79, 23))
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return put


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when they are added."""
    now = [100.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def lines(terminal: Terminal) -> list[str]:
    return [line.strip() for line in terminal.getvalue().split("\r")]


def test_a_terminal_shows_epoch_and_time_left_before_all_else(watch, clock):
    terminal = watch()
    shown = Progress("a label that is longer than the room that is left for it" * 2, 4, 10)
    clock[0] += 30
    shown.episode(1, 5)
    last = lines(terminal)[-1]
    assert last.startswith("epoch 1/4 ")
    assert "03:30 left, a label" in last
    assert len(last) < 80


def test_the_line_ends_with_the_run_and_its_last_accuracy(watch, clock):
    terminal = watch()
    shown = Progress("run A", epochs=2, episodes=10)
    clock[0] += 60
    shown.epoch(1, {"val_accuracy": 0.314})
    assert "epoch 2/2" in lines(terminal)[-1]
    assert "01:00 left, run A, validation 31.4 %" in lines(terminal)[-1]
    assert "\n" not in terminal.getvalue()
    shown.epoch(2, {"val_accuracy": 0.5})
    assert terminal.getvalue().endswith("validation 50.0 %\n")


def test_it_is_shown_once_a_second(watch, clock):
    terminal = watch()
    shown = Progress("run", epochs=1, episodes=100)
    for done in range(1, 51):
        clock[0] += 0.1
        shown.episode(1, done)
    assert terminal.getvalue().count("epoch 1/1") == pytest.approx(5, abs=1)


def test_a_resumed_run_counts_its_own_time_only(watch, clock):
    terminal = watch()
    shown = Progress("run", epochs=10, episodes=10, start_epoch=8)
    clock[0] += 5
    shown.epoch(9, {"val_accuracy": 0.5})
    assert "00:05 left" in lines(terminal)[-1]


def test_nothing_is_shown_where_nobody_watches(capsys):
    Progress("run", epochs=1, episodes=1).epoch(1, {"val_accuracy": 0.5})
    assert capsys.readouterr() == ("", "")


def test_an_announcement_does_not_break_the_line(watch, clock):
    terminal = watch()
    shown = Progress("run", epochs=2, episodes=10)
    announce("waiting")
    shown.bar.close()
    assert "waiting" in [line.partition("\n")[0] for line in lines(terminal)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.4, "4 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")],
)
def test_durations_for_people(seconds, text):
    assert duration(seconds) == text
