"""Tiles against slices of single images; reassembled tiles give the image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pse_repro.objectives.shared.tiles import cut, grid_places, grid_tiles, reordered, tile_latents
from tests.support.assembled import assemble
from tests.support.tiles import corners, places_shown


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 3), st.integers(1, 10), st.integers(1, 5), st.integers(0, 2**32))
def test_cut_takes_the_slices(count: int, number: int, size: int, seed: int) -> None:
    images = noise(count, 3, 7, 7, seed=seed).contiguous(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(7 - size + 1, (count, number, 2), generator=generator)
    tiles = cut(images, places, size)
    assert tiles.shape == (count, number, 3, size, size)
    for n in range(count):
        for t, (x, y) in enumerate(places[n].tolist()):
            assert torch.equal(tiles[n, t], images[n, :, y : y + size, x : x + size])


@given(st.integers(1, 3), st.integers(1, 7), st.booleans(), st.integers(0, 2**32))
def test_put_together_they_give_the_image_back(count: int, size: int, gap: bool, seed: int) -> None:
    images = noise(count, 3, 3 * size, 3 * size, seed=seed)
    assert torch.equal(assemble(grid_tiles(images, size, gap)), images)


def test_with_a_gap_each_tile_lies_anywhere_in_its_own_cell() -> None:
    torch.manual_seed(0)
    within = corners(grid_tiles(places_shown(300), 24)) - grid_places(32)
    assert set(within.flatten().tolist()) == set(range(9))
    assert (within.float().mean((0, 2)) - 4).abs().max() < 0.5
    correlations = torch.corrcoef(within.flatten(1).float().T)
    assert (correlations - torch.eye(18)).abs().max() < 0.25  # tiles move one by one, and in x and y


def test_without_a_gap_they_adjoin_and_lie_anywhere_together() -> None:
    torch.manual_seed(0)
    tiles = grid_tiles(places_shown(300), 24, gap=False)
    starts = corners(tiles) - grid_places(24)
    assert torch.equal(starts, starts[:, :1].expand(-1, 9, -1))
    assert set(starts[..., 0].flatten().tolist()) == set(starts[..., 1].flatten().tolist()) == set(range(25))
    for image, whole, start in zip(places_shown(300), assemble(tiles), starts[:, 0].tolist(), strict=True):
        assert torch.equal(whole, image[:, start[1] : start[1] + 72, start[0] : start[0] + 72])


def test_grid_places_go_by_rows() -> None:
    expected = [[0, 0], [5, 0], [10, 0], [0, 5], [5, 5], [10, 5], [0, 10], [5, 10], [10, 10]]
    assert grid_places(5).tolist() == expected


@pytest.mark.parametrize(("shape", "size"), [((1, 3, 96, 96), 33), ((1, 3, 96, 96), 0), ((1, 3, 96, 90), 24)])
def test_sizes_that_do_not_fit_are_refused(shape: tuple[int, ...], size: int) -> None:
    with pytest.raises(ValueError, match=rf"tiles of {size} from images of 96 x {shape[-1]}; expected squares"):
        grid_tiles(torch.zeros(shape), size)


def test_reordering_brings_the_named_tile_to_each_place() -> None:
    tiles = torch.rand(3, 9, 3, 2, 2)
    orders = torch.stack([torch.randperm(9) for _ in range(3)])
    shuffled = reordered(tiles, orders)
    for n in range(3):
        for place in range(9):
            assert torch.equal(shuffled[n, place], tiles[n, int(orders[n, place])])


def test_each_tile_is_encoded_for_itself() -> None:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Flatten(), nn.Linear(4, 5))
    tiles = noise(2, 6, 3, 4, 4)
    latents = tile_latents(encoder, tiles)
    assert latents.shape == (2, 6, 5)
    for n in range(2):
        for t in range(6):
            torch.testing.assert_close(latents[n, t], encoder(tiles[n, t : t + 1])[0])
