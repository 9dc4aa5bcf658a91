"""Operations that a GPU refuses; if the pretended one accepted them, the other tests would prove nothing."""

import pytest
import torch

OTHER_DEVICE = "on the same device"


def test_devices_are_not_mixed() -> None:
    of_cpu, of_gpu = torch.rand(3), torch.rand(3, device="cuda")
    for first, second in ((of_cpu, of_gpu), (of_gpu, of_cpu)):
        with pytest.raises(RuntimeError, match=OTHER_DEVICE):
            first + second
    with pytest.raises(RuntimeError, match=OTHER_DEVICE):
        of_cpu[torch.tensor([0, 1], device="cuda")]
    assert (of_gpu + torch.tensor(1.0)).device == of_gpu.device  # a scalar on the CPU is allowed
    assert torch.equal(of_gpu[torch.tensor([2, 0])].cpu(), of_gpu.cpu()[[2, 0]])  # and so are indices


def test_numbers_must_be_copied_to_the_cpu_first() -> None:
    with pytest.raises(TypeError, match="numpy"):
        torch.rand(3, device="cuda").numpy()


def test_only_memory_of_the_cpu_is_pinned() -> None:
    with pytest.raises(RuntimeError, match="cannot pin"):
        torch.rand(3, device="cuda").pin_memory()


def test_a_fused_adam_takes_no_moments_that_are_laid_out_otherwise() -> None:
    weights = torch.rand(4, 3, 3, 3, device="cuda").contiguous(memory_format=torch.channels_last).requires_grad_()
    adam = torch.optim.Adam([weights], fused=True)
    weights.square().sum().backward()
    adam.step()
    adam.state[weights]["exp_avg"] = adam.state[weights]["exp_avg"].contiguous()
    with pytest.raises(RuntimeError, match="must have same dtype, device, and layout"):
        adam.step()


def test_random_numbers_are_the_gpus_own() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    drawn = torch.rand(3, device="cuda")
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3, device="cuda"), drawn)
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, device="cuda", generator=torch.Generator())
