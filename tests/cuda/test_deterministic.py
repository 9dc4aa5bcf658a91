"""--deterministic on a GPU: no objective and no encoder needs an operation that is refused, and the numbers stay."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pse_repro.machine.device import Machine, choose_machine
from pse_repro.models import AverageTo, build_autoencoder
from pse_repro.objectives import OBJECTIVES
from tests.support.resumed import cell, checkpoint, curves, pretrained

pytestmark = pytest.mark.usefixtures("settings_put_back")


@pytest.fixture
def deterministic(settings_put_back: None) -> Machine:
    return choose_machine("cuda", "fp32", deterministic=True)


def test_what_has_no_deterministic_form_is_refused(deterministic: Machine) -> None:
    maps = torch.rand(1, 1, 5, 5, device="cuda", requires_grad=True)
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        torch.nn.functional.adaptive_avg_pool2d(maps, 3).sum().backward()


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 6), (7, 4)])
def test_maps_are_averaged_as_on_a_cpu(deterministic: Machine, size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size)
    found, expected = maps.cuda().requires_grad_(), maps.clone().requires_grad_()
    for argument in (found, expected):
        AverageTo(3)(argument).square().sum().backward()
    torch.testing.assert_close(AverageTo(3)(found).cpu(), torch.nn.functional.adaptive_avg_pool2d(maps, 3))
    torch.testing.assert_close(found.grad.cpu(), expected.grad)  # type: ignore[union-attr]


@pytest.mark.parametrize("encoder", ["cnn", "resnet", "residual"])
@pytest.mark.parametrize("side", [96, 40])
def test_every_autoencoder_trains(deterministic: Machine, encoder: str, side: int) -> None:
    network = build_autoencoder(encoder).encoder.to("cuda")
    network(torch.rand(2, 3, side, side, device="cuda")).square().sum().backward()
    assert all(weights.grad is not None for weights in network.parameters())


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if OBJECTIVES[name].trains])
def test_every_objective_trains_twice_to_the_same_bits(
    name: str, deterministic: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pse_repro.run.model_summary.embed", lambda latents_ND, _: np.zeros((len(latents_ND), 2)))
    first, second = (pretrained(tmp_path / place, cell(name), deterministic) for place in ("first", "second"))
    assert checkpoint(first) == checkpoint(second)
    assert curves(first).equals(curves(second))
