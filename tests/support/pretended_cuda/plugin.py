"""Installation of the pretended GPU in a process started with its driver; a pytest plugin (-p), too."""

import ctypes

import pytest
import torch

from tests.support.pretended_cuda.functions import install
from tests.support.pretended_cuda.tensors import PretendedGPU

MAX_DEVICES = 64  # autograd queries this many devices, however many exist
GPU = PretendedGPU()


def pytest_configure(config: pytest.Config) -> None:
    enter()


def enter() -> None:
    """Install the pretended GPU for the rest of the process."""
    torch._C._ensureCUDADeviceGuardSet()  # as PyTorch does for its fake tensors without a GPU
    ctypes.c_int.in_dll(ctypes.CDLL(None), "pretended_devices").value = MAX_DEVICES
    install()
    GPU.__enter__()


def pytest_unconfigure(config: pytest.Config) -> None:
    GPU.__exit__(None, None, None)
