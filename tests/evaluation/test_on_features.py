"""Evaluations on fixed features: the encoder is in evaluation mode, and folds are independent."""

from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from pse_repro.errors import CellError
from pse_repro.evaluation.base import Setup
from pse_repro.evaluation.on_features import OnFeatures, features
from pse_repro.machine.device import Machine
from tests.support.tiny import CPU, dataset, protocol, tiny_encoder


def encoder() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tiny_encoder()


def setup() -> Setup:
    return Setup("cell", "cnn", protocol(), dataset(), CPU)


def nobody(number: int, epoch: int, loss: float) -> None:
    pass


def test_features_are_the_latents_of_single_images_in_evaluation_mode() -> None:
    split, network = dataset(test=7).test, encoder()
    network.train()
    found = features(network, split, CPU)
    images = torch.from_numpy(split.stored_NCWH).transpose(-1, -2) / 255
    with torch.no_grad():
        expected = [network.eval()(image[None])[0].numpy() for image in images]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4, atol=1e-6)


def test_features_are_float32_under_bf16() -> None:
    found = features(encoder(), dataset(test=3).test, Machine(torch.device("cpu"), "bf16"))
    assert found.dtype == np.float32


class Scaled(nn.Module):
    """The tiny encoder, its latents times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.encoder, self.factor = encoder(), factor

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        return self.encoder(images_NCHW) * self.factor


@pytest.mark.parametrize("factor", [1e20, 1e38, 1e39, float("inf"), float("nan")])
def test_features_that_distances_overflow_on_end_the_cell_before_native_code(factor: float) -> None:
    judged = OnFeatures(setup(), "knn")
    with pytest.raises(CellError, match=r"features reach .*; expected finite values up to 1e\+15"):
        list(judged.run([1], lambda: Scaled(factor), nobody))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [0, 1e-44, 1e-30, 1e14])
@pytest.mark.parametrize("classifier", ["linear", "knn"])
def test_other_features_of_any_size_give_probabilities(classifier: Literal["linear", "knn"], factor: float) -> None:
    ((_, result),) = OnFeatures(setup(), classifier).run([1], lambda: Scaled(factor), nobody)
    np.testing.assert_allclose(result.probabilities_NK.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("classifier", ["linear", "knn"])
def test_each_fold_gives_probabilities_that_do_not_depend_on_the_others(
    classifier: Literal["linear", "knn"],
) -> None:
    judged = OnFeatures(setup(), classifier)
    together = dict(judged.run([1, 2], encoder, nobody))
    alone = dict(judged.run([2], encoder, nobody))
    np.testing.assert_array_equal(together[2].probabilities_NK, alone[2].probabilities_NK)
    assert not np.allclose(together[1].probabilities_NK, together[2].probabilities_NK)
    for result in together.values():
        assert result.probabilities_NK.shape == (40, 10)
        np.testing.assert_allclose(result.probabilities_NK.sum(axis=1), 1, rtol=1e-5)
        assert result.seconds > 0


def test_a_fold_learns_from_its_training_images_alone() -> None:
    judged = OnFeatures(setup(), "knn")
    ((_, before),) = judged.run([1], encoder, nobody)
    judged.labels[judged.folds[0][1]] = 0  # of its validation images
    ((_, after),) = judged.run([1], encoder, nobody)
    np.testing.assert_array_equal(before.probabilities_NK, after.probabilities_NK)
