"""What a step of pre-training launches is what is stored: it grows or shrinks only knowingly."""

import pytest
import torch

from tests.support.step_costs import CASES, StepCost, cost, stored

TORCH, COSTS = stored()
AGAIN = "if it is meant to be so: python -m tests.support.step_costs"


# Other versions of PyTorch than the stored counts' split some work otherwise.
SHARE_OF_OTHER_VERSIONS = 0.1


@pytest.fixture(autouse=True)
def _pretended(is_pretended: bool) -> None:
    if not is_pretended:
        pytest.skip("only the pretended GPU counts")


@pytest.mark.parametrize(
    ("case", "expected"), [*zip(CASES, COSTS, strict=True)], ids=["-".join(case) for case in CASES]
)
def test_a_step_launches_what_it_did(case: tuple[str, str, str, str], expected: StepCost) -> None:
    found = cost(*case)
    if torch.__version__.partition("+")[0] == TORCH:
        assert found == expected, AGAIN
    assert found.operations == pytest.approx(expected.operations, rel=SHARE_OF_OTHER_VERSIONS), AGAIN
    assert found.kernels == pytest.approx(expected.kernels, rel=SHARE_OF_OTHER_VERSIONS), AGAIN
