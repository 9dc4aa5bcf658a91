"""Rendered scenes with free labels: spheres and boxes in front of a wall and a floor; exact edges, depth and normals.

Every surface has a closed form under orthographic projection, so the labels are computed, not estimated, and match the
image exactly. Scenes are rendered in batches on any device, from random numbers drawn on the CPU.
Shapes: N scenes; H = W = 96; K solids of a kind; S surfaces (floor, wall, spheres, boxes).
Coordinates are x to the right, y downwards and z away from the viewer, in half sides of the image, whose middle is 0;
depth is z. A normal is (x, y, towards the viewer), proportional to (d depth / dx, d depth / dy, 1).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pse_repro.data.stl10 import SIDE

SPHERES, BOXES = 3, 3
SURFACES = 2 + SPHERES + BOXES
SOLID, MATERIAL, LIGHT = 10, 13, 6  # random numbers per solid, per surface's material, and for the light
DRAWN = 5 + (SPHERES + BOXES) * SOLID + SURFACES * MATERIAL + LIGHT
PRESENT = 0.75  # share of the solids that are present
CPU_SCENES = 16  # per part on a CPU: fewer need more calls, more do not fit the cache
EDGE_ON = 1e-4  # minimum z of a box's axis, below which its face is invisible


@dataclass(frozen=True)
class Scenes:
    """Images (N, 3, H, W) in [0, 1] and their labels.

    `edges` (N, H, W) are 1 where the pixel to the right or below shows another facet, else 0; `depth` (N, H, W) is in
    half sides of the image; `normals` (N, 3, H, W) have length 1.
    """

    images_NCHW: Tensor
    edges_NHW: Tensor
    depth_NHW: Tensor
    normals_NCHW: Tensor


@dataclass(frozen=True)
class Solids:
    """Geometry of the scenes. Planes are z = p[0] + p[1] x + p[2] y; absent solids are far behind the planes.

    `axes[:, k, i]` is the i-th unit axis of the k-th box, `halves[:, k, i]` half its extent along it.
    """

    planes_N23: Tensor
    sphere_centres_NK3: Tensor
    radii_NK: Tensor
    box_centres_NK3: Tensor
    halves_NK3: Tensor
    axes_NK33: Tensor


@dataclass(frozen=True)
class Relief:
    """Depth, normal and facet of the surface visible in each pixel (N, H, W).

    Facet 3 s + i is the i-th of surface s; only boxes have more than one.
    """

    depth_NHW: Tensor
    normals_NCHW: Tensor
    facet_NHW: Tensor


def draw(count: int) -> Tensor:
    """Draw all random numbers (count, DRAWN) of the scenes, uniform in [0, 1), by PyTorch's global CPU generator."""
    return torch.rand(count, DRAWN)


def render(drawn_NP: Tensor) -> Scenes:
    """Render the scenes of the random numbers, on their device; in float32, also under autocast."""
    size = CPU_SCENES if drawn_NP.device.type == "cpu" else max(len(drawn_NP), 1)
    with torch.autocast(drawn_NP.device.type, enabled=False):
        parts = [_render(part) for part in drawn_NP.split(size)]
    return Scenes(*(torch.cat(values) for values in zip(*(vars(part).values() for part in parts), strict=True)))


def _render(drawn_NP: Tensor) -> Scenes:
    of_planes, of_solids, of_looks, of_light = drawn_NP.split(
        [5, (SPHERES + BOXES) * SOLID, SURFACES * MATERIAL, LIGHT], 1
    )
    relief = traced(placed(of_planes, of_solids.unflatten(1, (-1, SOLID))))
    images_NCHW = painted(relief, of_looks.unflatten(1, (-1, MATERIAL)), of_light)
    return Scenes(images_NCHW, edges(relief.facet_NHW), relief.depth_NHW, relief.normals_NCHW)


def placed(drawn_N5: Tensor, drawn_NKP: Tensor) -> Solids:
    """Return the geometry given by the random numbers."""
    slopes_N4 = 0.7 * (2 * drawn_N5[:, :4] - 1)
    floor = torch.stack([1.6 + 0.5 * drawn_N5[:, 4], 0.3 * slopes_N4[:, 0], -1.4 + 0.5 * slopes_N4[:, 1]], 1)
    wall = torch.stack([torch.full_like(floor[:, 0], 1.2), slopes_N4[:, 2], slopes_N4[:, 3]], 1)
    across, down, away, there = drawn_NKP[..., :4].unbind(-1)
    away = torch.where(there < PRESENT, 1.4 * away - 0.6, 100.0)
    centres_NK3 = torch.stack([1.8 * across - 0.9, 1.8 * down - 0.9, away], -1)
    spheres, boxes = drawn_NKP.split([SPHERES, BOXES], 1)
    return Solids(
        planes_N23=torch.stack([floor, wall], 1),
        sphere_centres_NK3=centres_NK3[:, :SPHERES],
        radii_NK=0.15 + 0.4 * spheres[..., 4],
        box_centres_NK3=centres_NK3[:, SPHERES:],
        halves_NK3=0.12 + 0.3 * boxes[..., 4:7],
        axes_NK33=_rotations(boxes[..., 7:10]),
    )


def _rotations(drawn_NK3: Tensor) -> Tensor:
    """Return uniform rotation matrices (N, K, 3, 3): unit quaternions from three uniform numbers (Shoemake)."""
    share, first, second = drawn_NK3.unbind(-1)
    first, second = 2 * torch.pi * first, 2 * torch.pi * second
    inner, outer = (1 - share).sqrt(), share.sqrt()
    x, y, z, w = inner * first.sin(), inner * first.cos(), outer * second.sin(), outer * second.cos()
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def traced(solids: Solids) -> Relief:
    """Return the nearest surface in every pixel, by a depth buffer: solids one by one, all scenes at once."""
    x, y = pixel_centres(solids.planes_N23.device)
    floor, wall = solids.planes_N23[..., None, None].unbind(1)
    relief = _plane(floor, x, y, 0)
    relief = _nearer(relief, _plane(wall, x, y, 1))
    for number in range(SPHERES):
        centre, radius = solids.sphere_centres_NK3[:, number], solids.radii_NK[:, number]
        relief = _nearer(relief, _sphere(centre, radius, x, y, 2 + number))
    for number in range(BOXES):
        box = solids.box_centres_NK3[:, number], solids.halves_NK3[:, number], solids.axes_NK33[:, number]
        relief = _nearer(relief, _box(*box, x, y, 2 + SPHERES + number))
    return relief


def pixel_centres(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return x (1, W) and y (H, 1) of the pixels' centres in half sides of the image."""
    places = (torch.arange(SIDE, device=device) + 0.5) * (2 / SIDE) - 1
    return places[None], places[:, None]


def _nearer(one: Relief, other: Relief) -> Relief:
    is_nearer = other.depth_NHW < one.depth_NHW
    return Relief(
        torch.where(is_nearer, other.depth_NHW, one.depth_NHW),
        torch.where(is_nearer[:, None], other.normals_NCHW, one.normals_NCHW),
        torch.where(is_nearer, other.facet_NHW, one.facet_NHW),
    )


def _facet(surface: int, depth_NHW: Tensor) -> Tensor:
    """Return the number of a surface's first facet, in every pixel."""
    return torch.full_like(depth_NHW, 3 * surface, dtype=torch.long)


def _plane(plane_N3: Tensor, x: Tensor, y: Tensor, surface: int) -> Relief:
    offset, along_x, along_y = plane_N3.unbind(1)
    normal = torch.stack([along_x, along_y, torch.ones_like(along_x)], 1)
    depth_NHW = offset + along_x * x + along_y * y
    normals_NCHW = (normal / normal.norm(dim=1, keepdim=True)).expand(-1, 3, SIDE, SIDE)
    return Relief(depth_NHW, normals_NCHW, _facet(surface, depth_NHW))


def _sphere(centre_N3: Tensor, radius_N: Tensor, x: Tensor, y: Tensor, surface: int) -> Relief:
    centre_x, centre_y, centre_z = centre_N3[..., None, None].unbind(1)
    radius = radius_N[:, None, None]
    across, down = x - centre_x, y - centre_y
    squared = radius * radius - across * across - down * down
    towards = squared.clamp_min(0).sqrt()
    depth_NHW = torch.where(squared > 0, centre_z - towards, torch.inf)
    normals_NCHW = torch.stack([across.expand_as(towards), down.expand_as(towards), towards], 1) / radius[:, None]
    return Relief(depth_NHW, normals_NCHW, _facet(surface, depth_NHW))


def _box(centre_N3: Tensor, half_N3: Tensor, axes_N33: Tensor, x: Tensor, y: Tensor, surface: int) -> Relief:
    """Return a box as the intersection of three slabs: entered with the last slab, left with the first."""
    centre_x, centre_y, centre_z = centre_N3[..., None, None].unbind(1)
    along_x, along_y, along_z = axes_N33.unbind(-1)
    away = along_z.abs().clamp_min(EDGE_ON)
    faces_viewer = torch.where(along_z < 0, 1.0, -1.0)  # the sign with which an axis points to the viewer
    slope_x, slope_y = faces_viewer * along_x / away, faces_viewer * along_y / away
    middle = slope_x[..., None, None] * (x - centre_x)[:, None] + slope_y[..., None, None] * (y - centre_y)[:, None]
    reach = (half_N3 / away)[..., None, None]
    entered, slab_NHW = (middle - reach).max(1)
    left = (middle + reach).amin(1)
    depth_NHW = torch.where(entered < left, centre_z + entered, torch.inf)
    normals = torch.stack([faces_viewer * along_x, faces_viewer * along_y, away], -1)  # (N, facet, 3)
    normals = normals / normals.norm(dim=-1, keepdim=True)
    chosen = slab_NHW.flatten(1)[..., None].expand(-1, -1, 3)
    normals_NCHW = normals.gather(1, chosen).mT.unflatten(2, (SIDE, SIDE))
    return Relief(depth_NHW, normals_NCHW, _facet(surface, depth_NHW) + slab_NHW)


def edges(facet_NHW: Tensor) -> Tensor:
    """Return 1.0 where the pixel to the right or below shows another facet, else 0.0."""
    found = torch.zeros_like(facet_NHW, dtype=torch.bool)
    found[:, :, :-1] |= facet_NHW[:, :, 1:] != facet_NHW[:, :, :-1]
    found[:, :-1] |= facet_NHW[:, 1:] != facet_NHW[:, :-1]
    return found.float()


def painted(relief: Relief, looks_NSP: Tensor, light_NP: Tensor) -> Tensor:
    """Return images (N, 3, H, W) in [0, 1], channels last: two colours per surface, mixed by a solid texture.

    The texture is the product of two waves in space, so it follows the surface's shape and makes no edge labels. One
    light illuminates each scene.
    """
    looks = looks_NSP.gather(1, (relief.facet_NHW // 3).flatten(1)[..., None].expand(-1, -1, MATERIAL))
    looks_NPHW = looks.mT.unflatten(2, (SIDE, SIDE))
    one, other, waves, look = looks_NPHW.split([3, 3, 6, 1], 1)
    x, y = pixel_centres(relief.depth_NHW.device)
    ripples = []
    for wave_N3HW in (20 * (2 * waves - 1)).split(3, 1):
        across, down, away = wave_N3HW.unbind(1)
        ripples.append((across * x + down * y + away * relief.depth_NHW).sin())
    sharpness = 8 * look[:, 0] ** 2
    mix = (sharpness * ripples[0] * ripples[1]).sigmoid()[:, None]
    direction = torch.cat([2 * light_NP[:, :2] - 1, 0.5 + 0.5 * light_NP[:, 2:3]], 1)
    direction = (direction / direction.norm(dim=1, keepdim=True))[..., None, None]
    diffuse = (relief.normals_NCHW * direction).sum(1, keepdim=True).clamp_min(0)
    colour = (0.75 + 0.35 * light_NP[:, 3:6])[..., None, None]
    shaded = torch.lerp(one, other, mix) * (0.25 + 0.85 * diffuse) * colour
    return shaded.clamp(0, 1).contiguous(memory_format=torch.channels_last)
