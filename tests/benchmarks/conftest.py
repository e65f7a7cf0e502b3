"""Measurements are gathered here and end in a table and in ``reports/benchmarks.html``."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from race import Contestant, field
from results import Group, Row, text

from fewshot_lib.files import project_root

N_CLASSES, IMAGES_PER_CLASS = 32, 25
GROUPS = pytest.StashKey[dict[str, Group]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a minute or more; left out by -m 'not slow'")
    config.stash[GROUPS] = {}


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    groups = list(config.stash[GROUPS].values())
    if not groups:
        return
    from page import write

    terminalreporter.section("speed")
    for group in groups:
        terminalreporter.write_line(text(group) + "\n")
    if not field("easyfsl"):
        hint = "easyfsl takes part once it is installed: pip install -c constraints.txt '.[bench]'"
        terminalreporter.write_line(hint)
    target = project_root() / "reports" / "benchmarks.html"
    write(groups, target, torch.get_num_threads())
    terminalreporter.write_line(str(target))


@pytest.fixture
def record(request) -> Callable[..., Group]:
    """Adds a row to a group, which is made when it is new; returns the group."""
    groups = request.config.stash[GROUPS]

    def add(title: str, name: str, values: list[float], axis="", unit="s", **about: Any) -> Group:
        group = groups.setdefault(title, Group(title, axis, unit))
        group.rows.append(Row(name, values, **about))
        return group

    return add


@pytest.fixture
def race(benchmark, record) -> Callable[..., dict[str, Contestant]]:
    """Lets contestants take their steps in turn; the first is the one pytest-benchmark shows."""

    def run(
        title: str, tasks: dict[str, dict], rounds: int, remark: str = "", **about: Any
    ) -> dict[str, Contestant]:
        scales = {name: task.pop("scale", 1) for name, task in tasks.items()}
        with ExitStack() as stack:
            racers = {n: stack.enter_context(Contestant(**task)) for n, task in tasks.items()}
            for racer in racers.values():
                racer.step()
            first, *others = racers.values()

            def others_first() -> None:
                for racer in others:
                    racer.lap()

            benchmark.pedantic(first.lap, setup=others_first, rounds=rounds)
        for name, racer in racers.items():
            group = record(title, name, racer.times(), scale=scales[name], **about)
        group.remarks = [remark] if remark else []
        return racers

    return run


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Callable[[int], Path]:
    """A folder of JPEG files with letters, one folder a class, for each size in pixels."""
    from PIL import Image

    from fewshot_lib.data.sources._glyph_alphabets import letters_of
    from fewshot_lib.data.sources.glyphs import draw

    @cache
    def make(size: int) -> Path:
        root = tmp_path_factory.mktemp(f"pictures{size}")
        for i, letter in enumerate(letters_of("train")[:N_CLASSES]):
            folder = root / f"{i:02}"
            folder.mkdir()
            for j, image in enumerate(draw(letter, IMAGES_PER_CLASS, size)):
                pixels = image.permute(1, 2, 0).numpy()
                Image.fromarray(pixels).save(folder / f"{j:03}.jpg", quality=90)
        return root

    return make


@pytest.fixture(scope="session")
def gemm_rate() -> float:
    """FLOP per second of a large matrix product, the best of several: this machine's ceiling."""
    a, b = torch.randn(2, 2048, 2048)
    seconds = []
    for _ in range(12):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds)
