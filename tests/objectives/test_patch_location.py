"""Pairs of patches, their positions and their colours, against loops."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pse_repro.objectives.patch_location import ColourProjection, PairNetwork, PatchLocation, drop_colours, grid_patches
from pse_repro.objectives.shared.tiles import grid_places
from tests.support.assembled import assemble
from tests.support.tiles import corners, places_shown
from tests.support.tiny import setup


class Seen(nn.Module):
    """Network that records its input patches."""

    def forward(self, patches: Tensor) -> Tensor:
        self.patches = patches
        return torch.zeros(len(patches), 8, 8)


def test_patches_lie_apart_and_each_moves_for_itself() -> None:
    torch.manual_seed(0)
    places = corners(grid_patches(places_shown(300)))
    assert int(places.min()) == 0
    assert int(places.max()) == 96 - 22
    rows, columns = places[..., 1].reshape(-1, 3, 3), places[..., 0].reshape(-1, 3, 3)
    for between in (rows.diff(dim=1) - 22, columns.diff(dim=2) - 22):
        assert set(between.flatten().tolist()) == set(range(11 - 4, 11 + 4 + 1))
    own = (places - grid_places(33)).float()
    own -= own.mean(1, keepdim=True)
    assert (own.std((0, 1)) - 2**0.5 * (8 / 9) ** 0.5).abs().max() < 0.05  # uniform in -2 to 2, less their mean


def test_the_gap_can_be_closed() -> None:
    seen = Seen()
    torch.manual_seed(0)
    PatchLocation(setup(), gap=False, colour="kept").classified(seen, places_shown(5))
    whole = assemble(seen.patches)
    assert torch.equal(whole[:, 1, :, 1:] - whole[:, 1, :, :-1], torch.ones(5, 66, 65))
    assert torch.equal(whole[:, 2, 1:] - whole[:, 2, :-1], torch.ones(5, 65, 66))


def test_each_neighbour_makes_a_pair_with_the_middle() -> None:
    network = PairNetwork(nn.Flatten(), nn.Identity())
    patches = torch.rand(2, 9, 3, 2, 2)
    pairs = network(patches)
    assert pairs.shape == (2, 8, 24)
    for n in range(2):
        for location, number in enumerate([0, 1, 2, 3, 5, 6, 7, 8]):
            expected = torch.cat([patches[n, 4].flatten(), patches[n, number].flatten()])
            assert torch.equal(pairs[n, location], expected)


def test_the_classes_are_the_locations() -> None:
    """The positions of both patches determine the location: by rows, without the middle."""

    class Place(nn.Module):
        def forward(self, patches: Tensor) -> Tensor:
            return patches[:, 1:].mean((2, 3))

    class Compare(nn.Module):
        def forward(self, pairs: Tensor) -> Tensor:
            x, y = ((pairs[..., 2:] - pairs[..., :2]) / 33).round().unbind(-1)
            cell = (3 * (y + 1) + x + 1).long()
            return nn.functional.one_hot(cell - (cell > 4).long(), 8).float()

    torch.manual_seed(0)
    objective = PatchLocation(setup(), colour="kept")
    logits, locations = objective.classified(PairNetwork(Place(), Compare()), places_shown(6))
    assert logits.shape == (48, 8)
    assert torch.equal(logits.argmax(1), locations)
    assert locations.tolist() == list(range(8)) * 6


def test_the_projection_is_the_matrix() -> None:
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    axis = np.array([[-1.0, 2.0, -1.0]])
    matrix = np.eye(3) - axis.T @ axis / (axis @ axis.T)
    projected = ColourProjection()(images)
    for n in range(2):
        for y in range(4):
            for x in range(4):
                np.testing.assert_allclose(projected[n, :, y, x], matrix @ images[n, :, y, x].numpy(), atol=1e-12)
    torch.testing.assert_close(ColourProjection()(projected), projected)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("colour", ["projected", "dropped", "kept"])
def test_the_encoder_is_blind_to_green_and_magenta_where_they_are_projected_away(colour: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 96, 96)
    greener = images + torch.tensor([-0.1, 0.2, -0.1])[:, None, None]
    encoder = PatchLocation(setup(), colour=colour).network().eval().encoder  # type: ignore[arg-type]
    difference = float((encoder(greener) - encoder(images)).abs().max().detach())
    assert (difference < 1e-5) == (colour == "projected")


def test_dropping_keeps_one_channel_and_leaves_noise_of_the_others() -> None:
    torch.manual_seed(0)
    patches = torch.rand(40, 9, 3, 22, 22)
    dropped = drop_colours(patches)
    kept = (dropped == patches).flatten(3).all(3)
    assert torch.equal(kept.sum(2), torch.ones(40, 9).long())
    assert (kept.float().mean((0, 1)) - 1 / 3).abs().max() < 0.1
    for n in range(40):
        for t in range(9):
            channel = patches[n, t, kept[n, t]]
            noise = dropped[n, t, ~kept[n, t]]
            assert float(noise.mean()) == pytest.approx(float(channel.mean()), abs=0.002)
            assert float(noise.std() / channel.std()) == pytest.approx(0.01, rel=0.15)


def test_colours_are_dropped_only_where_asked() -> None:
    for colour in ("projected", "dropped", "kept"):
        seen = Seen()
        torch.manual_seed(0)
        PatchLocation(setup(), colour=colour).classified(seen, places_shown(2))  # type: ignore[arg-type]
        is_whole = bool((seen.patches[:, :, 1:] == seen.patches[:, :, 1:].round()).all())
        assert is_whole == (colour != "dropped")
