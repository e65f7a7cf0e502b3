"""The device: chosen by the environment, refused by name."""

import sys

import pytest
import torch

from fewshot_lib.device import default_device, keep_freed_memory
from fewshot_lib.errors import InputError


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
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
