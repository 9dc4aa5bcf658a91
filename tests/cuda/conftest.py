"""Tests of a GPU, real or pretended (`python -m tests.support.pretended_cuda tests/cuda`); skipped if there is none.

On the pretended one `test_pretraining.py` takes a minute and `test_whole_networks.py` several; the others are quick.
"""

import os

import pytest
import torch

from pse_repro.machine.device import Machine, choose_machine

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when the first test uses it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip this folder's tests if PyTorch sees no GPU."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "cuda" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason="PyTorch sees no GPU"))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The GPU in float32, without TF32, whose ten bits would show beside a CPU's numbers."""
    machine = choose_machine("cuda", "fp32")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return machine


@pytest.fixture
def is_pretended(pytestconfig: pytest.Config) -> bool:
    return pytestconfig.pluginmanager.hasplugin("tests.support.pretended_cuda.plugin")


@pytest.fixture
def rounding(is_pretended: bool) -> float:
    """Relative tolerance of a float32 loss, compared with the CPU's.

    The pretended GPU differs from a CPU in the order of Adam's operations (fused or not). A real GPU's convolutions
    round to the ten bits of TF32.
    """
    return 1e-4 if is_pretended else 5e-3
