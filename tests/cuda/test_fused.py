"""The fused kernel on a real GPU, where its products round as the GPU's do."""

import pytest
import torch

from pse_repro.loss import PSELoss

pytest.importorskip("triton", reason="Triton is not installed")


@pytest.fixture(autouse=True)
def _real_gpu(is_pretended: bool) -> None:
    if is_pretended:
        pytest.skip("Triton does not run on the pretended GPU")
    if torch.cuda.get_device_capability() < (8, 0):  # on any newer one a kernel that does not run is a failure
        pytest.skip("the kernel's products need compute capability 8.0")


@pytest.mark.parametrize("criterion", [PSELoss.as_released(3), PSELoss(0.5), PSELoss(3, padding="reflect")], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_value_and_gradient_are_exact_and_equal_in_every_run(
    criterion: PSELoss, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    input, target = torch.rand(2, 128, 3, 96, 96, device="cuda")
    input = input.to(dtype).contiguous(memory_format=layout).requires_grad_()
    exact = input.detach().double().requires_grad_()
    loss, again = criterion(input, target), criterion(input, target)
    assert type(loss.grad_fn).__name__ == "FusedLossBackward"
    (gradient,), (repeated,) = (torch.autograd.grad(2.0**16 * each, input) for each in (loss, again))
    expected = criterion(exact, target.double())
    (slow,) = torch.autograd.grad(2.0**16 * expected, exact)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    rounding = {torch.float32: 1e-5, torch.bfloat16: 2**-8, torch.float16: 2**-11}[dtype]
    assert float((gradient - slow).norm() / slow.norm()) < rounding
    assert gradient.stride() == input.stride()
    assert torch.equal(loss, again)
    assert torch.equal(gradient, repeated)


def test_it_can_be_captured() -> None:
    input, target = torch.rand(2, 8, 3, 96, 96, device="cuda")
    input.requires_grad_()
    criterion = PSELoss.as_released(3)
    criterion(input, target).backward()  # compiles, and makes the matrices
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = criterion(input, target)
        (gradient,) = torch.autograd.grad(loss, input)
    with torch.no_grad():
        input.copy_(torch.rand_like(input))
    graph.replay()
    expected = criterion(input, target)
    assert torch.equal(loss, expected)
    assert torch.equal(gradient, torch.autograd.grad(expected, input)[0])
