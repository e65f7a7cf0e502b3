"""Measurements are gathered here and end in tables on the terminal."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from statistics import median

import pandas as pd
import pytest
import torch
from race import Contestant, field

N_CLASSES, IMAGES_PER_CLASS = 32, 25
TABLES = pytest.StashKey[dict[str, list[dict]]]()
REMARKS = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a minute or more; left out by -m 'not slow'")
    config.stash[TABLES], config.stash[REMARKS] = defaultdict(list), {}


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    for title, rows in config.stash[TABLES].items():
        terminalreporter.section(title)
        terminalreporter.write_line(pd.DataFrame(rows).to_string(index=False))
        terminalreporter.write_line(config.stash[REMARKS].get(title, ""))
    if config.stash[TABLES] and not field("easyfsl"):
        hint = "easyfsl takes part once it is installed: pip install -c constraints.txt '.[bench]'"
        terminalreporter.write_line(hint)


@pytest.fixture
def record(request) -> Callable[..., None]:
    """Adds a row to the table with this title; the first row is what the others are held to."""
    tables, remarks = request.config.stash[TABLES], request.config.stash[REMARKS]

    def add(title: str, name: str, values: list[float], remark: str = "", **at: float) -> None:
        row = {"": name, **at, "median": median(values), "best": min(values)}
        first = next((other for other in tables[title] if at.items() <= other.items()), row)
        row["times the first"] = round(row["median"] / first["median"], 2)
        tables[title].append(row)
        remarks[title] = remark or remarks.get(title, "")

    return add


@pytest.fixture
def race(benchmark, record) -> Callable[..., dict[str, Contestant]]:
    """Lets contestants take their steps in turn; the first is the one pytest-benchmark shows."""

    def run(
        title: str, tasks: dict[str, dict], rounds: int, remark: str = "", **at: float
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
            record(title, name, [scales[name] * s for s in racer.times()], remark, **at)
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
