"""Bins, soft targets, weights and loss against loops over pixels and bins in plain floats."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pse_repro.objectives.shared.colour_bins import (
    MAP_SIDE,
    Bins,
    SoftTargets,
    accuracy_pct,
    colour_bins,
    lightness_bins,
    map_decoder,
    rebalancing,
    reduced,
    soft_cross_entropy,
)
from pse_repro.objectives.shared.lab import rgb_to_lab
from tests.support.tiny import CPU

COLOURS, LIGHTNESS = colour_bins(CPU.device), lightness_bins(CPU.device)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def slow_targets(values: list[float], bins: Bins) -> dict[int, float]:
    """Return one pixel's shares by bin."""
    distances = {index: math.dist(values, centre) for index, centre in enumerate(bins.centres_QC.tolist())}
    nearest = sorted(distances, key=distances.__getitem__)[: bins.neighbours]
    weights = {index: math.exp(-(distances[index] ** 2) / (2 * bins.sigma**2)) for index in nearest}
    return {index: weight / sum(weights.values()) for index, weight in weights.items()}


def slow_weights(shares: list[float], centres: list[list[float]]) -> list[float]:
    """Compute equation 4 in loops: smooth by a Gaussian of 5, mix half and half with a uniform distribution."""
    smoothed = [0.0] * len(shares)
    for share, source in zip(shares, centres, strict=True):
        kernel = [math.exp(-(math.dist(source, centre) ** 2) / (2 * 5**2)) for centre in centres]
        for index, value in enumerate(kernel):
            smoothed[index] += share * value / sum(kernel)
    weights = [1 / (0.5 * value + 0.5 / len(shares)) for value in smoothed]
    expectation = sum(value * weight for value, weight in zip(smoothed, weights, strict=True))
    return [weight / expectation for weight in weights]


def test_every_colour_of_srgb_has_a_bin_near_and_every_bin_a_colour() -> None:
    assert len(COLOURS) == 261
    assert (COLOURS.centres_QC % 10 == 0).all()
    colours_PC = rgb_to_lab(noise(1, 3, 100, 100))[0, 1:].flatten(1).T
    assert torch.cdist(colours_PC, COLOURS.centres_QC).amin(1).max() <= 5 * math.sqrt(2) + 1e-3


def test_the_lightness_has_51_bins() -> None:
    assert LIGHTNESS.centres_QC.flatten().tolist() == list(range(0, 101, 2))


@pytest.mark.parametrize(("bins", "low", "high"), [(COLOURS, -90, 90), (LIGHTNESS, 0, 100)], ids=["ab", "L"])
@given(data=st.data())
def test_soft_targets_are_the_loops(bins: Bins, low: float, high: float, data: st.DataObject) -> None:
    channels = bins.centres_QC.shape[1]
    values = data.draw(st.lists(st.floats(low, high, width=32), min_size=channels, max_size=channels))
    found = bins.soft_targets(torch.tensor(values).reshape(1, channels, 1, 1))
    expected = slow_targets(values, bins)
    shares = found.shares_PK[0].tolist()
    # bins at the same distance may be exchanged, so their shares are compared
    assert shares == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-4)
    for index, value in zip(found.bins_PK[0].tolist(), shares, strict=True):
        assert expected.get(index, value) == pytest.approx(value, abs=1e-4)
    assert sum(shares) == pytest.approx(1, abs=1e-6)


def test_pixels_are_counted_image_by_image_row_by_row() -> None:
    maps = 100 * noise(2, 1, 3, 4)
    found = LIGHTNESS.soft_targets(maps).bins_PK[:, 0]
    assert found.tolist() == (maps / 2).round().long().flatten().tolist()


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_the_loops(seed: int) -> None:
    shares = noise(len(COLOURS), seed=seed) ** 8
    shares /= shares.sum()
    expected = slow_weights(shares.tolist(), COLOURS.centres_QC.tolist())
    assert rebalancing(shares, COLOURS).tolist() == pytest.approx(expected, rel=1e-4)


def test_rare_colours_weigh_more_and_uniform_ones_about_the_same() -> None:
    grey = int(COLOURS.centres_QC.abs().sum(1).argmin())
    all_grey = torch.zeros(len(COLOURS))
    all_grey[grey] = 1
    weights = rebalancing(all_grey, COLOURS)
    assert int(weights.argmin()) == grey
    assert weights.max() > 50 * weights[grey]
    uniform = rebalancing(torch.full((len(COLOURS),), 1 / len(COLOURS)), COLOURS)
    assert 0.8 < uniform.min() <= uniform.max() < 1.3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_is_the_loops(dtype: torch.dtype) -> None:
    maps, logits, weights = 50 * noise(2, 2, 3, 4), (8 * noise(2, len(COLOURS), 3, 4, seed=1)).to(dtype), 2 * noise(261)
    targets = COLOURS.soft_targets(maps)
    terms, hits = [], []
    for image, row, column in torch.cartesian_prod(*map(torch.arange, (2, 3, 4))).tolist():
        log_probabilities = logits[image, :, row, column].double().log_softmax(0).tolist()
        shares = slow_targets(maps[image, :, row, column].tolist(), COLOURS)
        nearest = max(shares, key=shares.__getitem__)
        entropy = -sum(share * log_probabilities[index] for index, share in shares.items())
        terms.append((entropy, float(weights[nearest])))
        hits.append(log_probabilities.index(max(log_probabilities)) == nearest)
    plain, weighed = soft_cross_entropy(logits, targets), soft_cross_entropy(logits, targets, weights)
    assert plain.dtype == torch.float32
    assert float(plain) == pytest.approx(sum(entropy for entropy, _ in terms) / 24, rel=1e-5)
    assert float(weighed) == pytest.approx(sum(entropy * weight for entropy, weight in terms) / 24, rel=1e-5)
    assert float(accuracy_pct(logits, targets)) == pytest.approx(100 * sum(hits) / 24)


def test_accuracy_of_the_right_bins_is_100() -> None:
    targets = LIGHTNESS.soft_targets(100 * noise(2, 1, 3, 4))
    logits = torch.nn.functional.one_hot(targets.bins_PK[:, 0], len(LIGHTNESS)).reshape(2, 3, 4, -1).permute(0, 3, 1, 2)
    assert float(accuracy_pct(logits, targets)) == 100
    assert float(accuracy_pct(-logits, targets)) == 0


def test_equal_logits_cost_the_logarithm_of_the_bins() -> None:
    targets = SoftTargets(torch.zeros(6, 1, dtype=torch.long), torch.ones(6, 1))
    assert float(soft_cross_entropy(torch.zeros(1, 7, 2, 3), targets)) == pytest.approx(math.log(7), rel=1e-6)


def test_reducing_averages_squares_of_four_pixels() -> None:
    images = noise(2, 2, 96, 96)
    expected = images.reshape(2, 2, MAP_SIDE, 4, MAP_SIDE, 4).mean((3, 5))
    torch.testing.assert_close(reduced(images), expected)
    assert map_decoder(16, 7)(noise(2, 16)).shape == (2, 7, MAP_SIDE, MAP_SIDE)
