"""The kit's parts compute the same values on a GPU and on a CPU."""

import numpy as np
import pytest
import torch

from pse_repro.data.augment.simclr import distortion
from pse_repro.data.augment.steps import downstream_augmentation, pretrain_augmentation
from pse_repro.data.batches import MODEL_BYTES, Images
from pse_repro.loss import PSELoss
from pse_repro.machine.device import Machine
from pse_repro.objectives import OBJECTIVES, Batch, Setup
from pse_repro.objectives.shared.rendered_scenes import draw, render
from pse_repro.seeding import seeded
from tests.support.tiny import CPU, dataset, protocol, sigma_of

# Share of pixels that may differ: rounding can move a sampling position across the border between two pixels.
OTHER_PIXELS = 2e-3


def share_of_others(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float(((ours - theirs).abs() > 1e-3).float().mean())


@pytest.mark.parametrize("indices", [None, np.array([3, 1, 17])], ids=["all", "some"])
@pytest.mark.parametrize("fits", [True, False], ids=["on the GPU", "from the memory map"])
def test_images_are_those_of_a_cpu(
    gpu: Machine, indices: np.ndarray | None, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fits:
        monkeypatch.setattr("pse_repro.data.batches.MODEL_BYTES", 10**18)
    split, positions = dataset().unlabeled, torch.tensor([2, 0, 1])
    found, expected = (Images(split, machine.device, indices) for machine in (gpu, CPU))
    assert (found.place.type == "cuda") == fits
    assert len(found) == len(expected)
    batch = found[positions]
    assert batch.device.type == "cuda"
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch.cpu(), expected[positions])


@pytest.mark.parametrize(("kept", "spare", "fits"), [(0, 1, True), (0, 0, False), (10**6, 1 - 10**6, True)])
def test_images_lie_on_the_gpu_if_they_and_a_model_fit(
    gpu: Machine, kept: int, spare: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that PyTorch keeps without using it is free, too."""
    split = dataset().unlabeled
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (split.stored_NCWH.nbytes + MODEL_BYTES + spare, 10**12))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _: 5 * 10**6 + kept)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: 5 * 10**6)
    assert (Images(split, gpu.device).place.type == "cuda") == fits


def test_a_split_is_uploaded_once(gpu: Machine) -> None:
    split = dataset().unlabeled
    first, second = Images(split, gpu.device), Images(split, gpu.device, np.array([4, 2]))
    assert first.rows_NHWC is not None
    assert first.rows_NHWC is second.rows_NHWC
    assert torch.equal(second[torch.tensor([1])], first[torch.tensor([2])])


@pytest.mark.parametrize("criterion", [PSELoss.as_released(3), PSELoss(3), PSELoss(5, padding="reflect")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pse_and_its_gradient_are_those_of_a_cpu(criterion: PSELoss, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 4, 3, 96, 96)
    results = []
    for device in ("cpu", "cuda"):
        input = images[0].to(device, dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
        loss = criterion(input, images[1].to(device))
        loss.backward()
        assert input.grad is not None
        results.append((loss.detach().cpu(), input.grad.cpu().float()))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4 if dtype == torch.float32 else 1e-2, atol=1e-9)


@pytest.mark.parametrize("kind", ["small", "high", "higher", "distortion"])
def test_augmentation_is_that_of_a_cpu(kind: str) -> None:
    made = {"small": pretrain_augmentation, "distortion": lambda _: distortion()}.get(kind, downstream_augmentation)
    augment = made(kind)
    assert augment is not None
    images = Images(dataset().unlabeled, CPU.device)[torch.arange(20)]
    found = []
    for device in ("cpu", "cuda"):
        with seeded("augmentation"):
            found.append(augment(images.to(device)).cpu())
    assert share_of_others(found[0], images) > 0.1  # it changes something
    assert share_of_others(found[0], found[1]) < OTHER_PIXELS


def test_rendered_scenes_are_those_of_a_cpu() -> None:
    torch.manual_seed(0)
    drawn = draw(8)
    for ours, theirs in zip(vars(render(drawn.cuda())).values(), vars(render(drawn)).values(), strict=True):
        assert share_of_others(ours.cpu(), theirs) < OTHER_PIXELS


@pytest.mark.parametrize("name", ["mse", "pse", "rotation", "simclr", "colorize", "jigsaw"])
def test_losses_of_whole_networks_are_those_of_a_cpu(name: str, gpu: Machine) -> None:
    found = []
    for machine in (CPU, gpu):
        with seeded("network"):
            sigma = sigma_of(name)
            setup = Setup("cell", "cnn", sigma, protocol().switches, dataset(), machine.device, 51, 8)
            objective = OBJECTIVES[name].build(setup)
            network = objective.network().to(machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        positions = torch.arange(4)
        images = Images(dataset().unlabeled, machine.device)[positions]
        with seeded("loss"):
            found.append(float(objective.loss(network.train(), Batch(images, positions, True, 0.5)).detach()))
    assert found[1] == pytest.approx(found[0], rel=5e-3)  # TF32 in convolutions
