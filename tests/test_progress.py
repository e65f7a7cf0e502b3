"""Progress: events for whoever reads the file, one line for whoever watches."""

import io
import json
import sys

import pytest

from fewshot_lib import progress
from fewshot_lib.progress import Progress, duration


@pytest.fixture
def events(tmp_path, monkeypatch):
    """Read the events written so far."""
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("FEWSHOT_PROGRESS", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when they are added."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_epochs_are_appended_as_json_lines(events, clock):
    shown = Progress("run A", epochs=4, episodes=10)
    for epoch in (1, 2):
        clock[0] += 3
        shown.epoch(epoch, {"val_accuracy": 0.5})
    Progress("run B", epochs=1, episodes=10).epoch(1, {"val_accuracy": 0.5})
    assert events()[:2] == [
        {"event": "epoch", "run": "run A", "epoch": 1, "epochs": 4, "seconds_left": 9.0},
        {"event": "epoch", "run": "run A", "epoch": 2, "epochs": 4, "seconds_left": 6.0},
    ]
    assert [event["run"] for event in events()] == ["run A", "run A", "run B"]


def test_episodes_are_reported_once_a_second(events, clock):
    shown = Progress("run", epochs=2, episodes=10)
    for done in range(1, 11):
        clock[0] += 0.4
        shown.episode(1, done)
    assert [event["event"] for event in events()] == ["episode"] * len(events())
    assert [event["epoch"] for event in events()] == pytest.approx([0.1, 0.4, 0.7, 1.0])
    assert events()[-1]["seconds_left"] == pytest.approx(4.0)


def test_the_first_episode_says_nothing_about_the_others(events, clock):
    shown = Progress("run", epochs=1, episodes=10)
    clock[0] += 60
    shown.episode(1, 1)
    clock[0] += 2
    shown.episode(1, 2)
    assert [event["seconds_left"] for event in events()] == [None, pytest.approx(16)]


def test_a_resumed_run_counts_its_own_time_only(events, clock):
    shown = Progress("run", epochs=10, episodes=10, start_epoch=8)
    clock[0] += 5
    shown.epoch(9, {"val_accuracy": 0.5})
    assert events()[0]["seconds_left"] == 5


def test_nothing_is_written_when_nobody_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("FEWSHOT_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    Progress("run", epochs=1, episodes=1).epoch(1, {"val_accuracy": 0.5})
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")  # not a terminal


def test_a_terminal_shows_one_line_that_ends_with_the_run(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = Progress("run A", epochs=2, episodes=10)
    clock[0] += 60
    shown.epoch(1, {"val_accuracy": 0.314})
    first = terminal.getvalue()
    assert first.strip() == "run A: epoch 1/2, validation 31.4 %, 60 s left"
    assert "\n" not in first
    shown.epoch(2, {"val_accuracy": 0.5})
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().count("\r") == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.4, "4 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")],
)
def test_durations_for_people(seconds, text):
    assert duration(seconds) == text
