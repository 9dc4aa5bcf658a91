"""Every form of PSE in the bench has the value and the gradient of PSELoss."""

import pytest
import torch

from pse_repro.bench.groups.loss import SIGMAS, criterion, kernel
from pse_repro.bench.loss_forms import LOSS_FORMS, written_out_mse


@pytest.mark.parametrize("form", LOSS_FORMS)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_forms_agree(form: str, sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    input, target = torch.rand(2, 2, 3, 24, 20, dtype=torch.float64, generator=generator).requires_grad_()
    expected = criterion(sigma)(input, target)
    found = LOSS_FORMS[form](*kernel(sigma))(input, target)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(expected, input)
    torch.testing.assert_close(torch.autograd.grad(found, input)[0], gradient)


def test_whole_sigmas_are_as_released_and_others_general() -> None:
    for sigma, radius, mass in ((3, 3, 1 / 3), (12, 12, 1 / 3), (0.5, 2, 1)):
        assert kernel(sigma)[:2] == (sigma, radius)
        assert kernel(sigma)[2] == pytest.approx(mass)


def test_mse_written_out_is_mse() -> None:
    input, target = torch.rand(2, 2, 3, 24, 20, dtype=torch.float64)
    torch.testing.assert_close(written_out_mse(input, target), torch.nn.functional.mse_loss(input, target))
