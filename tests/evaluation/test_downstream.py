"""The two evaluations: what stays as it was, what changes, and which images are augmented (switches 7 to 10)."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pse_repro.config import Protocol
from pse_repro.evaluation import downstream
from pse_repro.evaluation.downstream import Downstream
from pse_repro.evaluation.encoders import fingerprint
from tests.tiny import CPU, TinyAutoencoder, dataset, protocol

pytestmark = pytest.mark.usefixtures("tiny_models")


def judged(evaluation: str, under: Protocol) -> tuple[nn.Module, nn.Module, downstream.FoldResult]:
    """The encoder before, the encoder after one fold, and the fold's result."""
    torch.manual_seed(0)
    before, after = TinyAutoencoder().encoder, TinyAutoencoder().encoder
    after.load_state_dict(before.state_dict())
    result = Downstream("cell", evaluation, "cnn", under, dataset(), CPU).fold(1, lambda: after, lambda *_: None)
    return before, after, result


def test_as_released_fine_tuning_never_changes_a_weight_but_drifts_the_statistics() -> None:
    before, after, _ = judged("finetune", protocol())
    assert fingerprint(after, buffers=False) == fingerprint(before, buffers=False)
    assert fingerprint(after) != fingerprint(before)


def test_as_described_fine_tuning_changes_the_weights() -> None:
    before, after, _ = judged("finetune", protocol("as-described"))
    assert fingerprint(after, buffers=False) != fingerprint(before, buffers=False)


@pytest.mark.parametrize("name", ["as-released", "as-described"])
def test_frozen_changes_neither_weights_nor_statistics(name: str) -> None:
    before, after, _ = judged("frozen", protocol(name))
    assert fingerprint(after) == fingerprint(before)


@pytest.mark.parametrize("evaluation", ["finetune", "frozen"])
def test_a_fold_gives_probabilities_for_every_test_image_and_repeats_exactly(evaluation: str) -> None:
    _, _, first = judged(evaluation, protocol())
    _, _, second = judged(evaluation, protocol())
    assert first.probabilities_NK.shape == (40, 10)
    np.testing.assert_allclose(first.probabilities_NK.sum(1), 1)
    np.testing.assert_array_equal(first.probabilities_NK, second.probabilities_NK)


def counted(monkeypatch: pytest.MonkeyPatch, evaluation: str) -> list[tuple[int, bool]]:
    """(images, crop) of every call of the augmentation while one fold is judged, over 3 epochs."""
    calls: list[tuple[int, bool]] = []

    def fake(kind: str, crop: bool = True) -> Callable[[Tensor], Tensor]:
        def augment(images: Tensor) -> Tensor:
            calls.append((len(images), crop))
            return images

        return augment

    monkeypatch.setattr(downstream, "downstream_augmentation", fake)
    judged(evaluation, protocol())
    return calls


def test_fine_tuning_augments_the_training_images_anew_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(monkeypatch, "finetune") == [(8, True)] * 5 * 3  # 40 training images in batches of 8


def test_frozen_augments_the_training_images_once_and_without_the_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(monkeypatch, "frozen") == [(8, False)] * 5


def test_frozen_features_follow_switch_8() -> None:
    torch.manual_seed(0)
    encoder = TinyAutoencoder().encoder.eval()
    released = Downstream("cell", "frozen", "cnn", protocol(), dataset(), CPU)
    described = Downstream("cell", "frozen", "cnn", protocol("as-described"), dataset(), CPU)
    images = released.test_images[torch.arange(40)]
    with torch.no_grad():
        torch.testing.assert_close(described.features(encoder, described.test_images), encoder(images))
        alone = released.features(encoder, released.test_images)
        one_by_one = torch.cat([encoder.train()(image[None]) for image in images])
    torch.testing.assert_close(alone, one_by_one, rtol=1e-4, atol=1e-5)
