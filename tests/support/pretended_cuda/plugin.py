"""The pytest plugin (-p) that puts the pretended GPU in place, in a process that was started with its driver."""

import ctypes

import pytest
import torch

from tests.support.pretended_cuda.functions import install
from tests.support.pretended_cuda.tensors import PretendedGPU

DEVICES_ASKED_FOR = 64  # autograd asks about as many, whatever there are
GPU = PretendedGPU()


def pytest_configure(config: pytest.Config) -> None:
    torch._C._ensureCUDADeviceGuardSet()  # as PyTorch does for its own fake tensors, where it finds no GPU
    ctypes.c_int.in_dll(ctypes.CDLL(None), "pretended_devices").value = DEVICES_ASKED_FOR
    install()
    GPU.__enter__()


def pytest_unconfigure(config: pytest.Config) -> None:
    GPU.__exit__(None, None, None)
