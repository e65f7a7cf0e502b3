"""The device: chosen by the environment, refused by name."""

import ctypes

import pytest
import torch

from fewshot_lib.errors import InputError
from fewshot_lib.learning.batches import _has_room
from fewshot_lib.learning.device import (
    Plan,
    default_device,
    keep_freed_memory,
    send,
)
from fewshot_lib.learning.evaluation import _whole_float32
from fewshot_lib.spec.parameters import TrainingParams

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_the_environment_chooses_the_device(monkeypatch):
    monkeypatch.setenv("FEWSHOT_DEVICE", "cpu")
    assert default_device() == torch.device("cpu")


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    monkeypatch.setenv("FEWSHOT_DEVICE", "auto")
    assert default_device().type == expected
    monkeypatch.delenv("FEWSHOT_DEVICE")
    assert default_device().type == expected


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_by_name(monkeypatch, name):
    monkeypatch.setenv("FEWSHOT_DEVICE", name)
    with pytest.raises(InputError, match=f"FEWSHOT_DEVICE={name} cannot be used here"):
        default_device()


def test_freed_memory_is_kept_on_glibc_only(monkeypatch):
    assert isinstance(keep_freed_memory(), bool)

    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert keep_freed_memory() is False


def plan_for(where, **changes):
    return Plan.of(TrainingParams.check(changes), where)


@pytest.fixture
def hopper(monkeypatch):
    """What a plan asks of a recent GPU."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda where: (1000, 2000))


@pytest.mark.parametrize("units", ["amx_bf16", "avx512_bf16"])
@pytest.mark.parametrize("has_units", [True, False])
def test_a_cpu_computes_in_bfloat16_only_if_made_for_it(monkeypatch, units, has_units):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {units: has_units})
    assert plan_for(CPU, epochs=100, episodes=2000) == Plan(CPU, has_units, True)
    assert plan_for(CPU, precision="float32") == Plan(CPU, False, True)


def test_a_torch_that_cannot_tell_what_the_cpu_has_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert plan_for(CPU) == Plan(CPU, False, True)


def test_what_the_spec_says_is_done():
    plan = plan_for(CPU, precision="bfloat16", channels_last=False)
    assert (plan.bfloat16, plan.channels_last, plan.layout) == (
        True,
        False,
        torch.contiguous_format,
    )
    assert plan_for(CPU, channels_last=True).layout == torch.channels_last


@pytest.mark.usefixtures("hopper")
def test_a_gpu_computes_in_bfloat16():
    assert plan_for(GPU) == Plan(GPU, True, True)
    assert plan_for(GPU, precision="float32") == Plan(GPU, False, False)


@pytest.mark.usefixtures("hopper")
def test_images_stay_on_a_gpu_if_half_of_its_free_memory_holds_them():
    assert _has_room(torch.zeros(500, dtype=torch.uint8), GPU)
    assert not _has_room(torch.zeros(501, dtype=torch.uint8), GPU)
    assert _has_room(torch.zeros(5000), CPU)


def test_what_is_there_is_not_sent():
    there = torch.arange(3)
    assert send(there, CPU) is there
    assert send(there, torch.device("meta")).device.type == "meta"


def test_convolutions_are_whole_inside_the_block_only():
    before = torch.backends.cudnn.allow_tf32
    with pytest.raises(ZeroDivisionError), _whole_float32():
        assert torch.backends.cudnn.allow_tf32 is False
        raise ZeroDivisionError
    assert torch.backends.cudnn.allow_tf32 is before
