"""Tests of a GPU, real or pretended (`python -m tests.support.pretended_cuda tests/cuda`); skipped where there is none."""

import pytest
import torch

from pse_repro.device import Machine, choose_machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip this folder's tests where PyTorch sees no GPU."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "cuda" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason="PyTorch sees no GPU"))


@pytest.fixture
def gpu() -> Machine:
    return choose_machine("cuda", "fp32")
