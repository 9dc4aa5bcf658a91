"""What a step of pre-training launches is what is stored: it grows or shrinks only knowingly."""

import pytest
import torch

from tests.support.step_costs import CASES, StepCost, cost, stored

TORCH, COSTS = stored()
AGAIN = "if it is meant to be so: python -m tests.support.step_costs"


@pytest.fixture(autouse=True)
def _pretended(pytestconfig: pytest.Config) -> None:
    if not pytestconfig.pluginmanager.hasplugin("tests.support.pretended_cuda.plugin"):
        pytest.skip("only the pretended GPU counts")
    if not torch.__version__.startswith(TORCH):
        pytest.skip(f"counted with PyTorch {TORCH}; others split their work into other operations")


@pytest.mark.parametrize(
    ("case", "expected"), [*zip(CASES, COSTS, strict=True)], ids=["-".join(case) for case in CASES]
)
def test_a_step_launches_what_it_did(case: tuple[str, str, str, str], expected: StepCost) -> None:
    assert cost(*case) == expected, AGAIN
