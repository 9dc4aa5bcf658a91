"""On images without content, tiles tell nothing about their place, in the training that the objectives really have."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from pse_repro.data.augment.steps import pretrain_augmentation
from pse_repro.data.stl10 import Split
from pse_repro.objectives.jigsaw import Jigsaw
from pse_repro.training.pretrain import Pretraining
from tests.support.contentless import contentless, most_by_chance, pretraining

STEPS = 30
PLACES = 9
SUREST = 1 / 20  # few tiles are at the rim of their image


class Recorder(nn.Module):
    """Network that records its tiles, with logits of the given size for each image, all zero."""

    def __init__(self, *logits: int) -> None:
        super().__init__()
        self.zeros = nn.Parameter(torch.zeros(1, *logits))
        self.seen: list[Tensor] = []

    def forward(self, tiles_N9CHW: Tensor) -> Tensor:
        self.seen.append(tiles_N9CHW)
        return self.zeros.expand(len(tiles_N9CHW), *self.zeros.shape[1:])


@pytest.fixture(scope="module")
def images() -> Split:
    return contentless(1150)  # enough that none is seen twice


# One of each kind; `nox -s shortcuts` trains them all.
ONE_OF_A_KIND = ["jigsaw", "jigsaw-no-gap", "patch-location", "patch-location-no-gap"]


@pytest.mark.parametrize("name", ONE_OF_A_KIND)
def test_the_place_of_a_tile_cannot_be_told(name: str, images: Split) -> None:
    share, cases = places_told(pretraining(name, images, STEPS))
    assert share < most_by_chance(1 / PLACES, cases)


@pytest.mark.parametrize("name", ONE_OF_A_KIND)
def test_the_border_of_the_crop_would_tell_it(name: str, images: Split) -> None:
    training = pretraining(name, images, STEPS)
    training.augment = pretrain_augmentation("small")
    share, cases = places_told(training)
    assert share > most_by_chance(1 / PLACES, cases)


def places_told(training: Pretraining) -> tuple[float, int]:
    """Train an epoch; return how often logistic regression tells a tile's place from its edges, and of how many tiles.

    It is fitted to half of the tiles, and judged by those of the others of which it is surest.
    """
    objective = training.objective
    is_jigsaw = isinstance(objective, Jigsaw)
    network = Recorder(len(objective.orders_P9)) if is_jigsaw else Recorder(8, 8)
    training.state.network = network
    classified, classes = objective.classified, []
    objective.classified = lambda *given: classes.append((found := classified(*given))[1]) or found
    training.train_epoch(0, lambda _: None)
    tiles = torch.cat(network.seen)
    places = objective.orders_P9[torch.cat(classes)] if is_jigsaw else torch.arange(PLACES).expand(len(tiles), -1)
    half = len(tiles) // 2 * PLACES
    told, edges = places.flatten().numpy(), edges_of(tiles.flatten(0, 1))
    edges = (edges - edges.mean(0)) / edges.std(0)
    guesses = LogisticRegression(max_iter=1000).fit(edges[:half], told[:half]).predict_proba(edges[half:])
    surest = np.argsort(-guesses.max(1), kind="stable")[: round(SUREST * len(guesses))]
    return float((guesses.argmax(1) == told[half:])[surest].mean()), len(surest)


def edges_of(tiles_NCHW: Tensor) -> np.ndarray:
    """Return how much darker each edge of a tile is than the tile, and how much it differs from the line beside it."""
    lines = [tiles_NCHW.transpose(2, 3), tiles_NCHW.transpose(2, 3).flip(2), tiles_NCHW, tiles_NCHW.flip(2)]
    mean = tiles_NCHW.mean((1, 2, 3))
    darker = [mean - line[:, :, 0].mean((1, 2)) for line in lines]
    differs = [(line[:, :, 0] - line[:, :, 1]).abs().mean((1, 2)) for line in lines]
    return torch.stack(darker + differs, 1).numpy()
