"""All pretext classifications: loss and accuracy against loops, gradients, precision, draws, falling losses."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pse_repro.data.batches import Images
from pse_repro.models import ENCODERS
from pse_repro.objectives import Batch
from pse_repro.objectives.jigsaw import Jigsaw
from pse_repro.objectives.patch_location import PatchLocation
from pse_repro.objectives.rotation import Rotation
from pse_repro.objectives.shared.pretext import Pretext
from tests.support.few_steps import assert_falls
from tests.support.tiny import dataset, setup

KINDS: list[tuple[type[Pretext], dict[str, Any]]] = [
    (Jigsaw, {"permutations": "6"}),
    (Jigsaw, {"permutations": "6", "gap": False, "jitter": False, "normalise": False}),
    (PatchLocation, {}),
    (PatchLocation, {"gap": False, "colour": "dropped"}),
    (Rotation, {}),
]
EACH = pytest.mark.parametrize(("kind", "options"), KINDS)
IMAGES = Images(dataset(16, 1, 1).unlabeled, torch.device("cpu"))[torch.arange(16)]


def batch(count: int = 4) -> Batch:
    return Batch(IMAGES[:count], torch.arange(count), True, 0.0)


class Told(Pretext):
    """Pretext task with given logits and classes."""

    logits: Tensor
    classes: Tensor

    def network(self) -> nn.Module:
        return nn.Identity()

    def classified(self, network: nn.Module, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits, self.classes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_accuracy_are_the_loops(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    told = Told(setup())
    told.logits = torch.randn(30, 5, generator=generator).to(dtype)
    told.classes = torch.randint(5, (30,), generator=generator)
    loss, right = 0.0, 0
    for row, one in zip(told.logits.double().tolist(), told.classes.tolist(), strict=True):
        loss += math.log(sum(map(math.exp, row))) - row[one]
        right += row.index(max(row)) == one
    found = told.measures(nn.Identity(), batch())
    assert found["loss"].dtype == found["accuracy"].dtype == torch.float32
    assert float(found["loss"]) == pytest.approx(loss / 30, rel=1e-5)
    assert float(found["accuracy"]) == pytest.approx(100 * right / 30)
    assert torch.equal(told.loss(nn.Identity(), batch()), found["loss"])


@pytest.mark.parametrize("encoder", list(ENCODERS))
@EACH
def test_the_gradient_reaches_every_parameter(kind: type[Pretext], options: dict[str, Any], encoder: str) -> None:
    torch.manual_seed(0)
    objective = kind(setup(encoder=encoder), **options)
    network = objective.network()
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, batch(2))
    loss.backward()
    assert loss.dtype == torch.float32
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.head.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.encoder.parameters() if parameter.ndim > 1)
    assert network.eval().encoder(IMAGES[:2]).shape == (2, ENCODERS[encoder].latent_size)


@pytest.mark.usefixtures("tiny_models")
@EACH
def test_draws_come_from_the_global_generator_and_images_stay(kind: type[Pretext], options: dict[str, Any]) -> None:
    objective = kind(setup(), **options)
    network = objective.network().eval()
    before = IMAGES.clone()
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(float(objective.measures(network, batch())["loss"].detach()))
    assert torch.equal(IMAGES, before)
    assert losses[0] == losses[1]
    assert (losses[1] == losses[2]) == (kind is Rotation)


@pytest.mark.usefixtures("tiny_models")
@EACH
def test_the_loss_falls(kind: type[Pretext], options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    objective = kind(setup(), **options)
    network = objective.network()
    assert_falls(objective, network, batch, 60)


@pytest.mark.parametrize("kind", [Jigsaw, PatchLocation, Rotation])
def test_they_have_no_sigma(kind: type[Pretext]) -> None:
    kind.check(None)
    with pytest.raises(ValueError, match=f"sigma is 3, but {kind.__name__.lower()} takes none"):
        kind.check(3.0)
