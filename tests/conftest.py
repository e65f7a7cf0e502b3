"""Shared by the tests: a project folder of their own, small separable images, quick specs."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch.nn import functional as F

from fewshot_lib import files
from fewshot_lib.cli.main import main
from fewshot_lib.data.bank import ImageBank
from fewshot_lib.spec.parameters import Spec

CHECKOUT = Path(files.__file__).parent.parent
SIZE = 16  # pixels, the smallest that the encoder takes: 64 features

METHODS = {
    "prototypical": {"method": "prototypical"},
    "hallucination": {"method": "hallucination", "n_aug": 3},
    "both mixed": {"method": "hallucination", "n_aug": 3, "mix_queries": True, "batches": "apart"},
    "adversarial": {"method": "adversarial"},
    "afhn": {"method": "adversarial", "variant": "afhn"},
    "averaged": {"method": "hallucination", "n_aug": 3, "residual": True, "ema": 0.5},
}


def class_pictures(n_classes: int, n_images: int, seed: int = 0) -> torch.Tensor:
    """A pattern for each class under a colour cast for each image, which hides it at first.

    Returns:
        uint8 ``(n_classes, n_images, 3, 16, 16)``; the casts are what is to be unlearned.
    """
    generator = torch.Generator().manual_seed(seed)
    patterns = F.interpolate(torch.randn(n_classes, 3, 4, 4, generator=generator), size=SIZE)
    casts = torch.randn(n_classes, n_images, 3, 1, 1, generator=generator)
    grain = torch.randn(n_classes, n_images, 3, SIZE, SIZE, generator=generator)
    return (128 + 12 * patterns.unsqueeze(1) + 14 * casts + 25 * grain).clamp(0, 255).byte()


def bank_of_sizes(*sizes: int, seed: int = 0) -> ImageBank:
    """A bank with so many images in each class, named a, b, c, …"""
    pictures = class_pictures(len(sizes), max(sizes), seed)
    return ImageBank(
        images=torch.cat([p[:n] for p, n in zip(pictures, sizes, strict=True)]),
        labels=torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)),
        class_names=[chr(ord("a") + i) for i in range(len(sizes))],
        ids=[str(i) for i in range(sum(sizes))],
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.3, 0.4),
    )


@pytest.fixture(scope="session")
def make_bank() -> Callable[..., ImageBank]:
    return bank_of_sizes


@pytest.fixture
def bank() -> ImageBank:
    """Six classes of twelve images."""
    return bank_of_sizes(*[12] * 6)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """Six training and five validation classes of twelve images, in the course's layout."""
    folder = tmp_path_factory.mktemp("images")
    for seed, (split, n_classes) in enumerate({"train": 6, "val": 5}.items(), start=1):
        (folder / split).mkdir()
        rows = [("id", "filename", "label")]
        for label, pictures in enumerate(class_pictures(n_classes, 12, seed)):
            for picture in pictures:
                name = f"{len(rows)}.png"
                Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / split / name)
                rows.append((len(rows) - 1, name, f"{split}{label}"))
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return folder


@pytest.fixture
def make_spec(data_dir: Path) -> Callable[..., Spec]:
    """A spec whose run takes a fraction of a second, with some values changed."""
    small = {
        "source": "mini_imagenet",
        "data_dir": str(data_dir),
        "image_size": SIZE,
        "n_way": 3,
        "n_query": 2,
        "init": "kaiming",
        "epochs": 3,
        "episodes": 4,
        "lr": 0.003,
        "augment": ["flip"],
        "n_way_test": 3,
        "n_query_test": 4,
        "episodes_val": 20,
    }
    return lambda **changes: Spec.check(small | changes)


@pytest.fixture(params=METHODS.values(), ids=METHODS)
def method(request) -> dict:
    """What a spec needs for each method in turn."""
    return request.param


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    """An empty project folder; what is made in a test lies there. Bits are compared on the CPU."""
    monkeypatch.setenv("FEWSHOT_ROOT", str(tmp_path))
    monkeypatch.setenv("FEWSHOT_DEVICE", "cpu")
    return tmp_path


@pytest.fixture(scope="session")
def smoke_report(tmp_path_factory) -> Path:
    """The real notebooks with the smoke profile, made once for all tests, in a project apart."""
    root = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "params"):
        (root / name).symlink_to(CHECKOUT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWSHOT_ROOT", str(root))
        result = CliRunner().invoke(main, ["report", "smoke"])
    assert result.exit_code == 0, result.output
    folder = root / "reports" / "smoke"
    assert result.stdout.splitlines()[-1] == str(folder / "index.html")
    return folder
