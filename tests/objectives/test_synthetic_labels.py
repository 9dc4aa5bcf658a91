"""Synthetic labels: three tasks on rendered scenes, and two players with separate gradients."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from pse_repro.models import ENCODERS
from pse_repro.objectives import Batch
from pse_repro.objectives.shared.rendered_scenes import Scenes, draw, render
from pse_repro.objectives.synthetic_labels import (
    CELL,
    DOMAIN_WEIGHT,
    SyntheticLabels,
    SyntheticLabelsNetwork,
    domain_loss,
    task_losses,
)
from tests.support.labelled import setup
from tests.support.tiny import dataset

DATA = dataset()


def batch(count: int = 8, training: bool = True) -> Batch:
    images = torch.from_numpy(DATA.unlabeled.stored_NCWH[:count]).transpose(2, 3).float() / 255
    return Batch(images, torch.arange(count), training, 0.0)


def cells(scenes: Scenes, scene: int, row: int, column: int) -> tuple[float, float, list[float]]:
    """Return edge, mean depth and mean normal of one cell."""
    there = (slice(CELL * row, CELL * (row + 1)), slice(CELL * column, CELL * (column + 1)))
    normals = scenes.normals_NCHW[scene].double()[(slice(None), *there)]
    edge = float(scenes.edges_NHW[scene][there].max())
    return edge, float(scenes.depth_NHW[scene].double()[there].mean()), normals.mean((1, 2)).tolist()


def test_the_tasks_against_loops() -> None:
    torch.manual_seed(0)
    scenes, maps = render(draw(2)), torch.randn(2, 5, 24, 24)
    by_edge: dict[float, list[float]] = {0.0: [], 1.0: []}
    depths: list[float] = []
    cosines = []
    for scene in range(2):
        wrong = []
        for row, column in itertools.product(range(24), range(24)):
            logit, depth, *normal = maps[scene, :, row, column].tolist()
            edge, true_depth, true_normal = cells(scenes, scene, row, column)
            by_edge[edge].append(math.log(1 + math.exp(-logit if edge else logit)))
            wrong.append(depth - true_depth)
            dot = sum(one * other for one, other in zip(normal, true_normal, strict=True))
            cosines.append(dot / (math.hypot(*normal) * math.hypot(*true_normal)))
        depths += [abs(value - sum(wrong) / len(wrong)) for value in wrong]
    found = task_losses(maps, scenes)
    halves = [sum(values) / len(values) for values in by_edge.values()]
    assert float(found["edges"]) == pytest.approx(sum(halves) / 2, rel=1e-4)
    assert float(found["depth"]) == pytest.approx(sum(depths) / len(depths), rel=1e-4)
    assert float(found["normals"]) == pytest.approx(1 - sum(cosines) / len(cosines), rel=1e-4)


def test_true_maps_cost_nothing_and_a_scene_without_edges_is_fine() -> None:
    torch.manual_seed(0)
    scenes = render(draw(2))
    pool = torch.nn.functional.avg_pool2d
    edges = 100 * (2 * torch.nn.functional.max_pool2d(scenes.edges_NHW[:, None], CELL) - 1)
    depth, normals = pool(scenes.depth_NHW[:, None], CELL) + 7, 3 * pool(scenes.normals_NCHW, CELL)
    found = task_losses(torch.cat([edges, depth, normals], 1), scenes)
    assert all(float(value) == pytest.approx(0, abs=1e-5) for value in found.values())
    without = replace(scenes, edges_NHW=torch.zeros_like(scenes.edges_NHW))
    assert float(task_losses(torch.randn(2, 5, 24, 24), without)["edges"]) == 0


def parts(objective: SyntheticLabels, network: SyntheticLabelsNetwork, given: Batch) -> tuple[torch.Tensor, ...]:
    """Compute the losses of tasks, encoder (adversarial) and discriminator plainly, with the seed of `loss`."""
    real = len(given.images) // 2
    scenes = render(draw(len(given.images) - real))
    latents = network.encoder(torch.cat([given.images[:real], scenes.images_NCHW]))
    logits = network.discriminator(latents)[:, 0]
    p = logits.sigmoid()
    judged = -torch.cat([p[:real].log(), (1 - p[real:]).log()]).mean()
    confused = -(p.log() + (1 - p).log()).mean() / 2
    return sum(task_losses(network.decoder(latents[real:]), scenes).values(), torch.zeros(())), confused, judged


def test_each_player_gets_its_own_gradient() -> None:
    torch.manual_seed(0)
    objective = SyntheticLabels(setup(DATA))
    network = objective.network().eval()
    torch.manual_seed(1)
    loss = objective.loss(network, batch())
    loss.backward()
    found = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}  # type: ignore[union-attr]
    torch.manual_seed(1)
    tasks, confused, judged = parts(objective, network, batch())
    assert loss.item() == pytest.approx(float((tasks + DOMAIN_WEIGHT * confused + judged).detach()), rel=1e-5)
    names, parameters = zip(*network.named_parameters(), strict=True)
    of_generator = torch.autograd.grad(
        tasks + DOMAIN_WEIGHT * confused, parameters, retain_graph=True, materialize_grads=True
    )
    of_discriminator = torch.autograd.grad(judged, parameters, materialize_grads=True)
    for name, for_generator, for_discriminator in zip(names, of_generator, of_discriminator, strict=True):
        expected = for_discriminator if name.startswith("discriminator") else for_generator
        torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-6, msg=name)
        assert expected.abs().sum() > 0, name


def test_the_domain_loss_is_ln_2_when_the_discriminator_cannot_tell() -> None:
    is_real = torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert float(domain_loss(torch.zeros(4, 1), is_real)) == pytest.approx(math.log(2))
    assert float(domain_loss(torch.tensor([[9.0], [9.0], [-9.0], [-9.0]]), is_real)) < 1e-3


@pytest.mark.parametrize("encoder", list(ENCODERS))
@pytest.mark.parametrize("count", [4, 5])
def test_bf16_gives_a_float32_loss_and_gradients_everywhere(encoder: str, count: int) -> None:
    torch.manual_seed(0)
    objective = SyntheticLabels(replace(setup(DATA), encoder=encoder))
    network = objective.network()
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, batch(count))
        found = objective.measures(network, batch(count, training=False))
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    assert set(found) == {"loss", "edges", "depth", "normals", "domain_accuracy"}
    assert found["loss"].item() == pytest.approx(sum(found[name].item() for name in ("edges", "depth", "normals")))
    assert 0 <= float(found["domain_accuracy"]) <= 100


def trained(parameters_of: str, rate: float, steps: int) -> list[dict[str, float]]:
    """Return the metrics before each step on batches of 16, training only the given parameters."""
    torch.manual_seed(0)
    objective = SyntheticLabels(setup(DATA))
    network = objective.network()
    parameters = [value for name, value in network.named_parameters() if name.startswith(parameters_of)]
    optimizer = torch.optim.Adam(parameters, rate)
    found = []
    for _ in range(steps):
        with torch.no_grad():
            found.append({name: float(value) for name, value in objective.measures(network, batch(16)).items()})
        network.zero_grad()
        objective.loss(network, batch(16)).backward()
        optimizer.step()
    return found


def test_the_tasks_are_learnt() -> None:
    found = trained("", 1e-3, 6)
    assert found[-1]["loss"] < 0.7 * found[0]["loss"]


def test_the_discriminator_learns_to_tell_latents_that_stay_as_they_are() -> None:
    found = trained("discriminator", 1e-2, 10)
    assert sum(measures["domain_accuracy"] for measures in found[-3:]) / 3 > 90


def test_it_has_no_sigma() -> None:
    with pytest.raises(ValueError, match="syntheticlabels takes none"):
        SyntheticLabels.check(3.0)
