"""Tests of a GPU, real or pretended (`python -m tests.support.pretended_cuda tests/cuda`); skipped if there is none.

On the pretended one `test_pretraining.py` takes a minute and `test_whole_networks.py` several; the others are quick.
"""

import pytest
import torch

from pse_repro.machine.device import Machine, choose_machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip this folder's tests if PyTorch sees no GPU."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "cuda" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason="PyTorch sees no GPU"))


@pytest.fixture
def gpu() -> Machine:
    return choose_machine("cuda", "fp32")


@pytest.fixture
def rounding(pytestconfig: pytest.Config) -> float:
    """Relative tolerance of a float32 loss, compared with the CPU's.

    The pretended GPU differs from a CPU in the order of Adam's operations (fused or not). A real GPU's convolutions
    round to the ten bits of TF32.
    """
    is_pretended = pytestconfig.pluginmanager.hasplugin("tests.support.pretended_cuda.plugin")
    return 1e-4 if is_pretended else 5e-3
