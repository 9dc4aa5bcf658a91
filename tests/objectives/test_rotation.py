"""Rotated images against loops over their pixels."""

import torch
from torch import nn

from pse_repro.objectives.rotation import Rotation, all_turns
from tests.support.tiny import setup


def test_every_pixel_goes_where_a_turn_takes_it() -> None:
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    turned, turns = all_turns(images)
    assert turns.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    expected = images
    for number in range(4):
        assert torch.equal(turned[2 * number : 2 * number + 2], expected)
        once = torch.empty_like(expected)
        for y in range(4):
            for x in range(4):
                once[:, :, 3 - x, y] = expected[:, :, y, x]  # the right edge becomes the top
        expected = once
    assert torch.equal(expected, images)


def test_the_network_sees_all_four_copies() -> None:
    class Corner(nn.Module):
        """Return logits for the brightest corner: upper left, lower left, lower right, upper right."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            corners = images[:, 0, [0, -1, -1, 0], [0, 0, -1, -1]]
            return 100 * corners

    images = torch.zeros(5, 3, 96, 96)
    images[:, :, 0, 0] = 1
    logits, turns = Rotation(setup()).classified(Corner(), images)
    assert logits.shape == (20, 4)
    assert torch.equal(logits.argmax(1), turns)
