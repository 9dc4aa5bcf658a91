"""PSE forward and backward, next to MSE, to other ways to compute PSE, and to a lower bound of its time."""

import itertools
import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from pse_repro.bench.loss_forms import LOSS_FORMS, written_out_mse
from pse_repro.bench.rows import OURS, Call, Form, Group, Quotient, Row, Setting, ours_fp32
from pse_repro.bench.straightforward import Loss
from pse_repro.loss import PSELoss

SIGMAS: tuple[float, ...] = (0.5, 3, 4, 5, 6, 12)
BOUND = "the two matrix products alone"
GPU_BYTES = 256_000_000  # of images that a form takes in turn: several times the cache of a GPU (50 MB on an H100)
MAX_PAIRS = 16  # far more than 128 images a pair need; tiny pairs stay few

Pair = tuple[Tensor, Tensor]  # input and target (N, 3, 96, 96)


def group(setting: Setting) -> Group:
    pse = [f"PSE, sigma {sigma:g}" for sigma in SIGMAS]
    images = Images(setting)
    bound = ours_fp32(partial(_matrix_products, images))
    rows = (
        Row(
            "MSE",
            "images",
            images.count,
            (_form(images, OURS, F.mse_loss), _form(images, "written out", written_out_mse)),
        ),
        *(_pse_row(images, name, sigma) for name, sigma in zip(pse, SIGMAS, strict=True)),
        Row(BOUND, "images", images.count, (bound,)),
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


class Images:
    """Pairs of random images for the forms, each of `count` images.

    On a GPU a form takes several pairs in turn, as it would find a single one in the cache. All but the first are
    shared by the forms and there before any is built, so that they are not part of its memory.
    """

    def __init__(self, setting: Setting) -> None:
        self.count, self.device = setting.sizes.loss, setting.plain.device
        self.shared = [self._pair() for _ in range(pairs(self.count, self.device.type) - 1)]

    def in_turn(self) -> Iterator[Pair]:
        return itertools.cycle([self._pair(), *self.shared])

    def _pair(self) -> Pair:
        input, target = torch.rand(2, self.count, 3, 96, 96).to(self.device)
        return input.requires_grad_(), target


def pairs(count: int, device: str) -> int:
    """Return how many pairs of `count` float32 images a form takes in turn on this type of device."""
    return min(MAX_PAIRS, math.ceil(GPU_BYTES / (2 * count * 3 * 96 * 96 * 4))) if device == "cuda" else 1


def _pse_row(images: Images, name: str, sigma: float) -> Row:
    others = [_form(images, form, make(*kernel(sigma))) for form, make in LOSS_FORMS.items()]
    return Row(name, "images", images.count, (_form(images, OURS, criterion(sigma)), *others))


def _form(images: Images, name: str, loss: Loss) -> Form:
    return Form(name, "fp32", partial(_step, images, loss))


def _step(images: Images, loss: Loss) -> Call:
    turns = images.in_turn()

    def step() -> None:
        input, target = next(turns)
        input.grad = None
        loss(input, target).backward()

    return step


def _matrix_products(images: Images) -> Call:
    """Return a call of the two matrix products that are the least work our form of PSE needs."""
    residual = torch.rand(images.count, 3, 96, 96, device=images.device)
    smoothing = torch.rand(96, 96, device=images.device)
    turns = itertools.cycle([residual, *(input.detach() for input, _ in images.shared)])
    return lambda: smoothing @ (next(turns) @ smoothing)
