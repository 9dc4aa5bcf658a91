"""Rendered scenes: labels against ray marching in float64, and against each other."""

import itertools

import numpy as np
import pytest
import torch

from pse_repro.objectives.shared.rendered_scenes import (
    BOXES,
    DRAWN,
    SIDE,
    SOLID,
    SPHERES,
    Scenes,
    Solids,
    draw,
    edges,
    placed,
    render,
    traced,
)

COUNT = 6
STEP = 0.004  # of the march, in half sides of the image


@pytest.fixture(scope="module")
def drawn() -> torch.Tensor:
    torch.manual_seed(0)
    return draw(COUNT)


@pytest.fixture(scope="module")
def scenes(drawn: torch.Tensor) -> Scenes:
    return render(drawn)


def solids_of(drawn: torch.Tensor) -> Solids:
    return placed(drawn[:, :5], drawn[:, 5 : 5 + (SPHERES + BOXES) * SOLID].unflatten(1, (-1, SOLID)))


def inside(solids: Solids, scene: int, point: np.ndarray) -> bool:
    """Return whether the point (x, y, z) is behind a plane or inside a solid."""
    for plane in solids.planes_N23[scene].double().numpy():
        if point[2] >= plane[0] + plane[1] * point[0] + plane[2] * point[1]:
            return True
    centres, radii = solids.sphere_centres_NK3[scene].double().numpy(), solids.radii_NK[scene].double().numpy()
    for centre, radius in zip(centres, radii, strict=True):
        if ((point - centre) ** 2).sum() < radius**2:
            return True
    boxes = solids.box_centres_NK3[scene], solids.halves_NK3[scene], solids.axes_NK33[scene]
    for centre, half, axes in zip(*(value.double().numpy() for value in boxes), strict=True):
        if (np.abs(axes @ (point - centre)) < half).all():
            return True
    return False


def march(solids: Solids, scene: int, x: float, y: float, start: float) -> float:
    """Return the depth at which the ray from `start` first enters a surface."""
    ray = np.array([x, y, start])
    while not inside(solids, scene, ray):
        ray[2] += STEP
    low, high = ray[2] - STEP, ray[2]
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if inside(solids, scene, np.array([x, y, middle])) else (middle, high)
    return high


def test_depth_is_where_a_ray_goes_in(drawn: torch.Tensor, scenes: Scenes) -> None:
    solids = solids_of(drawn)
    generator = np.random.default_rng(0)
    for scene, row, column in zip(*(generator.integers(0, high, 60) for high in (COUNT, SIDE, SIDE)), strict=True):
        x, y = (column + 0.5) * 2 / SIDE - 1, (row + 0.5) * 2 / SIDE - 1
        depth = float(scenes.depth_NHW[scene, row, column])
        assert march(solids, scene, x, y, start=depth - 0.4) == pytest.approx(depth, abs=2e-4)


def test_normals_are_the_gradient_of_depth(scenes: Scenes) -> None:
    depth = scenes.depth_NHW.double()
    across = (depth[:, 1:-1, 2:] - depth[:, 1:-1, :-2]) * SIDE / 4
    down = (depth[:, 2:, 1:-1] - depth[:, :-2, 1:-1]) * SIDE / 4
    normals = scenes.normals_NCHW.double()
    torch.testing.assert_close(normals.norm(dim=1), torch.ones_like(depth), rtol=0, atol=1e-5)
    assert (normals[:, 2] >= 0).all()  # surfaces that are seen face the viewer
    near_edge = torch.nn.functional.max_pool2d(scenes.edges_NHW[:, None], 3, 1, 1)[:, 0, 1:-1, 1:-1] > 0
    normals = normals[:, :, 1:-1, 1:-1]
    clear = ~near_edge & (normals[:, 2] > 0.7)  # central differences are inaccurate near a sphere's outline
    assert clear.float().mean() > 0.6
    expected = torch.stack([across, down, torch.ones_like(across)], 1)
    expected = expected / expected.norm(dim=1, keepdim=True)
    worst = (normals - expected).abs().amax(1)[clear].max()
    assert worst < 0.02


def test_edges_lie_where_depth_or_normals_break_and_nowhere_else(scenes: Scenes) -> None:
    depth, normals = scenes.depth_NHW, scenes.normals_NCHW
    found = scenes.edges_NHW[:, :-1, :-1] > 0
    breaks = torch.zeros_like(found)
    turns = torch.zeros_like(found)
    steep = torch.zeros_like(found)
    for right, below in ((1, 0), (0, 1)):
        there = (slice(None), slice(below, SIDE - 1 + below), slice(right, SIDE - 1 + right))
        next_normals = normals[:, :, there[1], there[2]]
        here = normals[:, :, :-1, :-1]
        axis = 0 if right else 1
        slopes = [n[:, axis] / n[:, 2].clamp_min(1e-3) for n in (here, next_normals)]
        expected = (slopes[0] + slopes[1]) / SIDE  # change of depth between neighbouring pixels on one surface
        breaks |= ((depth[there] - depth[:, :-1, :-1]) - expected).abs() > 0.01
        turns |= (here * next_normals).sum(1) < 0.97
        steep |= torch.minimum(here[:, 2], next_normals[:, 2]) < 0.7
    assert not ((breaks | turns) & ~found & ~steep).any()
    assert ((breaks | turns) & found).sum() > 0.98 * found.sum()


def test_edges_against_a_loop() -> None:
    torch.manual_seed(1)
    facets = torch.randint(2, (2, 5, 4))
    expected = torch.zeros(2, 5, 4)
    for image, row, column in itertools.product(range(2), range(5), range(4)):
        for other_row, other_column in ((row + 1, column), (row, column + 1)):
            is_within = other_row < 5 and other_column < 4
            if is_within and facets[image, row, column] != facets[image, other_row, other_column]:
                expected[image, row, column] = 1
    assert torch.equal(edges(facets), expected)


def test_the_axes_of_boxes_are_rotations(drawn: torch.Tensor) -> None:
    axes = solids_of(drawn).axes_NK33.double()
    torch.testing.assert_close(axes @ axes.mT, torch.eye(3).expand_as(axes).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(COUNT, BOXES).double(), rtol=0, atol=1e-5)


def test_a_scene_depends_on_its_own_numbers_alone(drawn: torch.Tensor, scenes: Scenes) -> None:
    alone = render(drawn[3:4])
    for name, values in vars(alone).items():
        torch.testing.assert_close(values[0], getattr(scenes, name)[3], rtol=0, atol=1e-6)


def test_images_fill_the_range_and_differ(scenes: Scenes) -> None:
    images = scenes.images_NCHW
    assert images.shape == (COUNT, 3, SIDE, SIDE)
    assert 0 <= images.min() < 0.1
    assert 0.8 < images.max() <= 1
    assert (images.std((1, 2, 3)) > 0.03).all()
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.pdist(images.flatten(1)).min() > 1


def test_scenes_are_float32_under_autocast_too(drawn: torch.Tensor, scenes: Scenes) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        again = render(drawn)
    for name, values in vars(again).items():
        assert torch.equal(values, getattr(scenes, name))


def test_any_numbers_make_a_scene() -> None:
    for value in (0.0, 0.5, 1 - 2**-24):
        for values in vars(render(torch.full((1, DRAWN), value))).values():
            assert values.isfinite().all()


def test_what_is_behind_is_hidden(drawn: torch.Tensor) -> None:
    solids = solids_of(drawn)
    relief = traced(solids)
    x = (torch.arange(SIDE, dtype=torch.float64) + 0.5) * 2 / SIDE - 1
    for plane in solids.planes_N23.double().unbind(1):
        depth = plane[:, 0, None, None] + plane[:, 1, None, None] * x + plane[:, 2, None, None] * x[:, None]
        assert (relief.depth_NHW <= depth + 1e-5).all()
