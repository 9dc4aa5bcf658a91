"""PSE forward and backward, next to MSE, to other ways to compute PSE, and to a lower bound of its time."""

from functools import partial

import torch
from torch.nn import functional as F

from pse_repro.bench.loss_forms import LOSS_FORMS, written_out_mse
from pse_repro.bench.rows import OURS, Call, Form, Group, Quotient, Row, Setting, ours_fp32
from pse_repro.bench.straightforward import Loss
from pse_repro.loss import PSELoss

SIGMAS: tuple[float, ...] = (0.5, 3, 4, 5, 6, 12)
BOUND = "the two matrix products alone"


def group(setting: Setting) -> Group:
    pse = [f"PSE, sigma {sigma:g}" for sigma in SIGMAS]
    bound = ours_fp32(partial(_matrix_products, setting))
    rows = (
        Row(
            "MSE",
            "images",
            setting.sizes.loss,
            (_form(setting, OURS, F.mse_loss), _form(setting, "written out", written_out_mse)),
        ),
        *(_pse_row(setting, name, sigma) for name, sigma in zip(pse, SIGMAS, strict=True)),
        Row(BOUND, "images", setting.sizes.loss, (bound,)),
    )
    next_to = [Quotient(f"{name} / MSE", name, "MSE") for name in pse]
    return Group(rows, (*next_to, *(Quotient(f"{name} / {BOUND}", name, BOUND) for name in pse)))


def kernel(sigma: float) -> tuple[float, int, float]:
    """Return (sigma, radius, mass) of the criterion for this sigma."""
    ours = criterion(sigma)
    return sigma, len(ours.weights) // 2, float(ours.weights.sum()) ** 2


def criterion(sigma: float) -> PSELoss:
    """Return PSE as released if sigma is a whole number, else in its general form."""
    return PSELoss.as_released(int(sigma)) if float(sigma).is_integer() else PSELoss(sigma)


def _pse_row(setting: Setting, name: str, sigma: float) -> Row:
    others = [_form(setting, form, make(*kernel(sigma))) for form, make in LOSS_FORMS.items()]
    return Row(name, "images", setting.sizes.loss, (_form(setting, OURS, criterion(sigma)), *others))


def _form(setting: Setting, name: str, loss: Loss) -> Form:
    return Form(name, "fp32", partial(_step, setting, loss))


def _step(setting: Setting, loss: Loss) -> Call:
    input, target = torch.rand(2, setting.sizes.loss, 3, 96, 96).to(setting.plain.device)
    input.requires_grad_()

    def step() -> None:
        input.grad = None
        loss(input, target).backward()

    return step


def _matrix_products(setting: Setting) -> Call:
    """Return a call of the two matrix products that are the least work our form of PSE needs."""
    residual = torch.rand(setting.sizes.loss, 3, 96, 96, device=setting.plain.device)
    smoothing = torch.rand(96, 96, device=setting.plain.device)
    return lambda: smoothing @ (residual @ smoothing)
