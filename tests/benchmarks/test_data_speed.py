"""What an image costs: drawn, decoded from a file, taken from the cache."""

import pytest
from contestants import bank_of
from reference import Pictures

from fewshot_lib.data.bank import _read_bank, _write_bank
from fewshot_lib.data.images import decode_all
from fewshot_lib.data.sources.glyphs import draw


@pytest.fixture
def measured(benchmark, record):
    """Measures a function that deals with ``n`` images, and records the time of one."""

    def measure(title, name, function, n):
        benchmark.pedantic(function, rounds=7, warmup_rounds=1)
        record(title, name, [seconds / n for seconds in benchmark.stats.stats.data])

    return measure


@pytest.mark.parametrize("size", [32, 84])
def test_draw(measured, size):
    measured("Drawing a letter, time of one image", f"{size} px", lambda: draw("A", 200, size), 200)


TITLE = "Images of 84 px into memory, time of one image"


def test_load_from_the_cache(measured, pictures, tmp_path):
    bank = bank_of(pictures(84), 84)
    file = tmp_path / "bank.safetensors"
    _write_bank(file, bank, "")

    def load():
        _read_bank(file).images.sum()  # touches every pixel of the mapped file

    measured(TITLE, "mapped from the cache", load, len(bank.labels))


def test_decode(measured, pictures):
    files = Pictures(pictures(84)).files
    measured(TITLE, "decoded from JPEG", lambda: decode_all(files, 84), len(files))
