"""torchvision imports whatever torch it meets; every case needs an interpreter of its own."""

import subprocess
import sys

import pytest


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.fixture(scope="module")
def unguarded() -> subprocess.CompletedProcess:
    return python("import torchvision")


def test_the_package_itself_imports_nothing():
    result = python("import sys, fewshot_lib; sys.exit('torch' in sys.modules)")
    assert result.returncode == 0, result.stderr


def test_datasets_and_transforms_work_with_the_guard():
    result = python(
        "from fewshot_lib.data.vision import torchvision\n"
        "from torchvision import transforms\n"
        "image, label = torchvision.datasets.FakeData(1, (3, 20, 20), 2)[0]\n"
        "print(tuple(transforms.ToTensor()(transforms.CenterCrop(16)(image)).shape))\n"
    )
    assert result.stdout == "(3, 16, 16)\n", result.stderr
    assert result.stderr == ""


def test_the_guard_is_needed_where_the_extension_cannot_load(unguarded):
    if unguarded.returncode == 0:
        pytest.skip("torchvision's compiled extension loads here, so nothing needs a guard")
    assert "operator torchvision::nms does not exist" in unguarded.stderr
    result = python("from fewshot_lib.data.vision import declared_operators as d; print(d)")
    assert result.stdout == "['nms', 'qnms']\n", result.stderr


def test_the_guard_declares_nothing_where_the_extension_loads(unguarded):
    if unguarded.returncode != 0:
        pytest.skip("torchvision's compiled extension does not load into this torch")
    result = python("from fewshot_lib.data.vision import declared_operators as d; print(d)")
    assert result.stdout == "[]\n", result.stderr


def test_the_guard_leaves_existing_operators_alone(unguarded):
    if unguarded.returncode == 0:
        pytest.skip("a loading extension cannot be simulated beside the real one")
    result = python(
        "import torch\n"
        "existing = torch.library.Library('torchvision', 'DEF')\n"
        "for name in ('nms', 'qnms'):\n"
        "    existing.define(name + '(Tensor dets, Tensor scores, float iou) -> Tensor')\n"
        "    existing.impl(name, lambda a, b, t: a + 1, 'CPU')\n"
        "from fewshot_lib.data.vision import declared_operators as d\n"
        "print(d, torch.ops.torchvision.nms(torch.ones(1), torch.ones(1), 0.5).item())\n"
    )
    assert result.stdout == "[] 2.0\n", result.stderr


def test_only_the_missing_operator_is_declared(unguarded):
    if unguarded.returncode == 0:
        pytest.skip("torchvision's compiled extension loads here, so no operator is missing")
    result = python(
        "import torch\n"
        "existing = torch.library.Library('torchvision', 'DEF')\n"
        "existing.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "from fewshot_lib.data.vision import declared_operators, torchvision\n"
        "print(declared_operators)\n"
    )
    assert result.stdout == "['qnms']\n", result.stderr
