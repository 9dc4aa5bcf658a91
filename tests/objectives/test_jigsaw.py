"""The jigsaw's shuffling and its precautions against shortcuts, against loops."""

import pytest
import torch
from torch import Tensor, nn

from pse_repro.objectives.jigsaw import Jigsaw, JigsawNetwork, move_channels
from pse_repro.objectives.shared.permutations import load
from tests.support.assembled import assemble
from tests.support.tiles import corners, places_shown
from tests.support.tiny import setup


class Seen(nn.Module):
    """Network that records its input tiles."""

    def forward(self, tiles: Tensor) -> Tensor:
        self.tiles = tiles
        return torch.zeros(len(tiles), 1)


def unshuffled(objective: Jigsaw, images: Tensor) -> Tensor:
    """Return the network's input with each tile moved back to its original place, according to the class."""
    seen = Seen()
    _, classes = objective.classified(seen, images)
    back = torch.empty_like(seen.tiles)
    for n, order in enumerate(objective.orders_P9[classes].tolist()):
        for place, tile in enumerate(order):
            back[n, tile] = seen.tiles[n, place]
    return back


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_channels_move_one_by_one(reach: int) -> None:
    tiles = torch.rand(2, 3, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    moved = move_channels(tiles, reach)
    torch.manual_seed(1)
    moves = torch.randint(-reach, reach + 1, (2, 3, 3, 2))
    for n, t, c in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(3)).tolist():
        right, down = moves[n, t, c].tolist()
        for y in range(6):
            for x in range(6):
                expected = tiles[n, t, c, min(max(y + down, 0), 5), min(max(x + right, 0), 5)]
                assert moved[n, t, c, y, x] == expected


def test_the_gap_can_be_closed() -> None:
    torch.manual_seed(0)
    apart = corners(unshuffled(Jigsaw(setup(), jitter=False), places_shown(20)))
    between = apart[:, [1, 2, 4, 5, 7, 8], 0] - apart[:, [0, 1, 3, 4, 6, 7], 0] - 24
    assert 0 <= int(between.min()) < 4
    assert 12 < int(between.max()) <= 16
    adjoin = assemble(unshuffled(Jigsaw(setup(), gap=False, jitter=False), places_shown(20)))
    assert torch.equal(adjoin[:, 1, :, 1:] - adjoin[:, 1, :, :-1], torch.ones(20, 72, 71))
    assert torch.equal(adjoin[:, 2, 1:] - adjoin[:, 2, :-1], torch.ones(20, 71, 72))


def test_the_jitter_moves_colours_apart_and_can_be_left_out() -> None:
    grey = torch.rand(4, 1, 96, 96, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    for jitter in (True, False):
        torch.manual_seed(0)
        tiles = unshuffled(Jigsaw(setup(), jitter=jitter), grey)
        is_coloured = (tiles != tiles[:, :, :1]).flatten(2).any(2)
        assert float(is_coloured.float().mean()) == pytest.approx(1 - 1 / 81 if jitter else 0, abs=0.1)


@pytest.mark.usefixtures("tiny_models")
def test_normalised_tiles_do_not_tell_their_brightness_and_contrast() -> None:
    torch.manual_seed(0)
    tiles = torch.rand(6, 3, 24, 24)
    changed = tiles * torch.tensor([0.5, 0.7, 0.3])[:, None, None] + torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    normalised = Jigsaw(setup()).network().eval().encoder
    torch.testing.assert_close(normalised(changed), normalised(tiles), rtol=1e-3, atol=1e-3)
    seen = normalised[0](tiles.double())
    torch.testing.assert_close(seen.mean((2, 3)), torch.zeros(6, 3).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(seen.std((2, 3), correction=0), torch.ones(6, 3).double(), rtol=0, atol=1e-3)
    plain = Jigsaw(setup(), normalise=False).network().eval().encoder
    assert (plain(changed) - plain(tiles)).abs().max() > 0.01


def test_a_flat_tile_is_not_blown_up() -> None:
    normalise = Jigsaw(setup()).network().encoder[0]
    assert normalise(torch.full((1, 3, 24, 24), 0.3)).abs().max() < 1e-3


@pytest.mark.parametrize("name", ["1000", "1000-near", "10"])
def test_the_classes_are_those_of_the_set(name: str) -> None:
    objective = Jigsaw(setup(), permutations=name)
    assert objective.orders_P9.tolist() == load(name).tolist()
    assert objective.network().head[-1].out_features == len(load(name))
    torch.manual_seed(0)
    _, classes = objective.classified(Seen(), torch.zeros(300, 3, 96, 96))
    assert len(classes.unique()) > min(200, len(load(name)) - 1)


def test_latents_are_concatenated_in_order() -> None:
    network = JigsawNetwork(nn.Flatten(), nn.Identity())
    tiles = torch.rand(2, 9, 3, 2, 2)
    expected = [[value for tile in image for value in tile.flatten().tolist()] for image in tiles]
    assert network(tiles).tolist() == expected
