"""The fused kernel computes PSE and its gradient; in Triton's interpreter if there is no GPU."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, func
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.utils.flop_counter import FlopCounterMode

from pse_repro import PSELoss
from pse_repro.kernels import PADDINGS
from pse_repro.loss import _is_ordinary
from pse_repro.training.capture import HostTape
from tests.support.dense_loss import images

pytest.importorskip("triton", reason="Triton, which comes with PyTorch's CUDA builds, is not installed")

from pse_repro import fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CRITERIA = {
    "released": PSELoss.as_released(3),
    "sigma 0.5": PSELoss(0.5),
    "sigma 3": PSELoss(3),
    "reflect": PSELoss(3, padding="reflect", reduction="sum"),
}
# Of a gradient in 16 bits: its rounding alone, which Triton's interpreter does towards 0.
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}


def fused_loss(criterion: PSELoss, input: Tensor, target: Tensor) -> Tensor:
    """Return the loss by the kernel, wherever the images are."""
    scale = 1 / input.numel() if criterion.reduction == "mean" else 1.0
    matrices = criterion._smoothing.matrices_twice(input, torch.float32)
    loss: Tensor = fused.FusedLoss.apply(input, target, *matrices, scale, criterion.in_plain_steps)
    return loss


def pair(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return input and target; their first pixels are equal."""
    first, second = images(*shape, dtype=dtype).to(DEVICE), images(*shape, seed=1, dtype=torch.float32).to(DEVICE)
    second[..., 0, 0] = first[..., 0, 0]
    return first, second


def check(criterion: PSELoss, input: Tensor, target: Tensor) -> None:
    """Compare loss and gradient with the plain steps in float64."""
    input, exact = input.detach().requires_grad_(), input.detach().double().requires_grad_()
    loss, expected = fused_loss(criterion, input, target), criterion.in_plain_steps(exact, target.double())
    (found,), (slow,) = torch.autograd.grad(loss, input), torch.autograd.grad(expected, exact)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert found.dtype == input.dtype
    rounding = ROUNDING[input.dtype]
    torch.testing.assert_close(found.double(), slow, rtol=rounding, atol=rounding * float(slow.abs().max()) / 10)


@pytest.mark.parametrize("size", [(96, 96), (100, 37)], ids=str)
@pytest.mark.parametrize("name", CRITERIA)
def test_value_and_gradient_are_those_of_the_plain_steps(name: str, size: tuple[int, int]) -> None:
    input, target = pair(1, 2, *size)
    check(CRITERIA[name], input.contiguous(memory_format=torch.channels_last), target)
    check(CRITERIA[name], input.bfloat16(), target)


@pytest.mark.parametrize("shape", [(2, 3, 5, 9), (3, 5, 9), (1, 1, 1, 1), (2, 1, 1, 33)], ids=str)
@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
def test_any_batch_and_any_strides_are_taken(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    criterion, (input, target) = PSELoss(1.0), pair(*shape, dtype=dtype)
    check(criterion, input, target)
    check(criterion, input, target.to(dtype))
    twice_as_wide = input.repeat_interleave(2, -1)
    check(criterion, twice_as_wide[..., ::2], target.mT.contiguous().mT)
    check(criterion, input[..., :1].expand(shape), target.flip(-1))


def test_the_gradient_has_the_layout_of_the_input_and_is_zero_where_nothing_differs() -> None:
    input, target = pair(2, 3, 8, 10)
    input = input.contiguous(memory_format=torch.channels_last).requires_grad_()
    (gradient,) = torch.autograd.grad(fused_loss(PSELoss(1.0), input, target), input)
    assert gradient.stride() == input.stride()
    assert not gradient[..., 0, 0].any()
    assert gradient[..., 1:, :].all()


def test_two_runs_are_equal_bit_for_bit_and_a_graph_can_be_used_twice() -> None:
    input, target = pair(2, 3, 20, 40)
    input.requires_grad_()
    losses = [fused_loss(PSELoss(1.0), input, target) for _ in range(2)]
    gradients = [torch.autograd.grad(loss, input, retain_graph=True)[0] for loss in (*losses, losses[0])]
    assert torch.equal(*losses)
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])


def test_without_a_gradient_only_the_value_is_computed() -> None:
    input, target = pair(1, 1, 8, 8)
    before = input.clone()
    loss = fused_loss(PSELoss(1.0), input, target)
    assert not loss.requires_grad
    assert torch.equal(input, before)
    torch.testing.assert_close(loss, PSELoss(1.0).in_plain_steps(input, target))


def test_derivatives_of_higher_orders_are_those_of_the_plain_steps() -> None:
    input, target = pair(1, 2, 4, 5)
    input.requires_grad_()
    criterion, found = PSELoss(1.0), []
    for loss in (fused_loss, PSELoss.in_plain_steps):
        (once,) = torch.autograd.grad(loss(criterion, input, target) ** 2, input, create_graph=True)
        (twice,) = torch.autograd.grad((once * target).sum() ** 2, input, create_graph=True)
        (thrice,) = torch.autograd.grad((twice * target).sum(), input)
        found.append((once, twice, thrice))
    for fast, slow in zip(*found, strict=True):
        assert float(slow.detach().abs().max()) > 0
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5 * float(slow.detach().abs().max()))


def test_a_gradient_in_float16_that_is_scaled_up_was_not_lost_before() -> None:
    input, target = pair(2, 3, 96, 96, dtype=torch.float16)
    target = input + (target - input) / 1000
    input.requires_grad_()
    exact = input.detach().double().requires_grad_()
    (found,) = torch.autograd.grad(2.0**20 * fused_loss(PSELoss(3), input, target), input)
    (slow,) = torch.autograd.grad(2.0**20 * PSELoss(3)(exact, target.double()), exact)
    torch.testing.assert_close(found.double(), slow, rtol=2**-9, atol=float(slow.abs().max()) * 1e-4)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # of the interpreter
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_nan_and_infinity_are_not_hidden(value: float) -> None:
    input, target = pair(2, 2, 40, 40)
    input[0, 1, 2, 2] = value
    input.requires_grad_()
    loss = fused_loss(PSELoss(1.0), input, target)
    (gradient,) = torch.autograd.grad(loss, input)
    assert not loss.isfinite()
    assert torch.equal(gradient.isfinite().all(-1).all(-1).cpu(), torch.tensor([[True, False], [True, True]]))


@settings(max_examples=12)
@given(
    st.tuples(*(st.integers(1, top) for top in (2, 2, 70, 70))),
    st.sampled_from([0.0, 0.7, 4.0]),
    st.sampled_from(PADDINGS),
    st.sampled_from(["mean", "sum"]),
)
def test_it_is_pse_for_all_sizes(shape: tuple[int, ...], sigma: float, padding: str, reduction: str) -> None:
    radius = min(shape[-2:]) - 1 if padding == "reflect" else None
    check(PSELoss(sigma, radius=radius, padding=padding, reduction=reduction), *pair(*shape))


def test_a_criterion_uses_the_kernel_unless_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.loss._is_ordinary", lambda images: True)
    monkeypatch.setattr(fused, "_works_on", lambda device: True)
    criterion, (input, target), calls = PSELoss(1.0), pair(2, 3, 8, 10), []
    apply = fused.FusedLoss.apply
    monkeypatch.setattr(fused.FusedLoss, "apply", lambda *arguments: calls.append(1) or apply(*arguments))
    found = [criterion(input, target)]
    criterion.fused = False
    found.append(criterion(input, target))
    torch.testing.assert_close(*found)
    assert len(calls) == 1
    with pytest.raises(ValueError, match="expected equal shapes"):
        PSELoss(1.0)(input, target[..., 1:])


@contextmanager
def forward_mode() -> Iterator[None]:
    with forward_ad.dual_level():
        yield


@pytest.mark.parametrize("within", [FlopCounterMode, FakeTensorMode, forward_mode])
def test_only_ordinary_images_that_nothing_looks_at_are_fused(
    within: Callable[[], AbstractContextManager[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = images(1, 1, 4, 4)
    assert not _is_ordinary(ordinary)  # on a CPU
    monkeypatch.setattr(Tensor, "is_cuda", True)
    assert _is_ordinary(ordinary)
    assert _is_ordinary(torch.nn.Parameter(ordinary))
    assert not _is_ordinary(FakeTensorMode().from_tensor(ordinary))
    assert not _is_ordinary(None)  # type: ignore[arg-type]
    found: list[bool] = []
    func.grad(lambda image: found.append(_is_ordinary(image)) or image.sum())(ordinary)
    with within():
        found.append(_is_ordinary(ordinary))
    assert found == [False, False]
    with HostTape():
        assert _is_ordinary(ordinary)  # in a CUDA graph


@pytest.mark.parametrize(
    ("input", "target", "taken"),
    [
        (images(1, 1, 128, 4, dtype=torch.float16), images(1, 1, 128, 4, dtype=torch.float32), True),
        (images(3, 4, 5, dtype=torch.float32).requires_grad_(), images(3, 4, 5, dtype=torch.bfloat16), True),
        (images(1, 1, 129, 4, dtype=torch.float32), images(1, 1, 129, 4, dtype=torch.float32), False),
        (images(1, 1, 4, 4), images(1, 1, 4, 4, dtype=torch.float32), False),
        (images(1, 1, 4, 4, dtype=torch.float32), images(1, 1, 4, 4, dtype=torch.float32).requires_grad_(), False),
        (images(0, 1, 4, 4, dtype=torch.float32), images(0, 1, 4, 4, dtype=torch.float32), False),
        (images(1, 1, 4, 4, dtype=torch.float32), images(1, 1, 4, 4, dtype=torch.float32).to("meta"), False),
        (images(1, 1, 4, 4, dtype=torch.float32), images(1, 1, 4, dtype=torch.float32), False),
        (images(1, 1, 4, 4).to(torch.uint8), images(1, 1, 4, 4, dtype=torch.float32), False),
    ],
)
def test_images_that_it_takes(input: Tensor, target: Tensor, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_works_on", lambda device: True)
    assert fused.takes(input, target) == taken


def test_a_kernel_that_cannot_be_compiled_is_said_once_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Tensor:
        raise RuntimeError("Failed to find C compiler")

    fused._works_on.cache_clear()
    monkeypatch.setattr(torch.version, "cuda", "12.9")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(fused, "_energy", fail)
    with pytest.warns(UserWarning, match="without its Triton kernel: RuntimeError: Failed to find C compiler"):
        assert not fused._works_on(torch.device("cpu"))
    assert not fused._works_on(torch.device("cpu"))
    fused._works_on.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="Triton's compiler runs on Linux")
def test_it_compiles_for_an_h100_without_atomics_and_with_its_matrix_instructions(tmp_path: Path) -> None:
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.support.compiled_kernel", "bf16"]
    ptx = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert ".target sm_90" in ptx
    assert re.search(r"\bwgmma\.mma_async\S*\.tf32", ptx)
    assert not re.search(r"\b(atom|red)\.", ptx)
