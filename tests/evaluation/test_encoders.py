"""The check for unchanged encoders; per-image normalisation (switch 8) against the released code's; switch 7."""

import pytest
import torch
from torch import nn

from pse_repro.errors import CellError
from pse_repro.evaluation.encoders import (
    StatisticsOnly,
    assert_unchanged,
    fingerprint,
    per_image_normalisation,
)
from pse_repro.models import build_autoencoder
from tests.support.varied_encoder import varied


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_per_image_normalisation_equals_one_image_at_a_time_in_training_mode(name: str) -> None:
    torch.manual_seed(0)
    encoder = varied(build_autoencoder(name).encoder).eval()
    images = torch.rand(3, 3, 96, 96)
    with torch.no_grad():
        before = encoder(images)
        with per_image_normalisation(encoder):
            batched = encoder(images)
        again = encoder(images)
        one_by_one = torch.cat([encoder.train()(image[None]) for image in images])
    torch.testing.assert_close(batched, one_by_one, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(before, again, rtol=0, atol=0)  # the layers are restored
    assert (before - batched).abs().max() > 0.01


def test_per_image_normalisation_leaves_the_buffers_alone() -> None:
    encoder = build_autoencoder("cnn").encoder.train()
    with assert_unchanged("x", encoder), torch.no_grad(), per_image_normalisation(encoder):
        encoder(torch.rand(4, 3, 96, 96))


def test_the_guard_sees_a_changed_weight() -> None:
    encoder = build_autoencoder("cnn").encoder
    with (
        pytest.raises(CellError, match="weights changed"),
        torch.no_grad(),
        assert_unchanged("x", encoder, buffers=False),
    ):
        next(encoder.parameters())[0, 0, 0, 0] += 1e-6


def test_the_guard_sees_drifting_statistics_where_it_is_told_to() -> None:
    encoder = build_autoencoder("cnn").encoder.train()
    images = torch.rand(4, 3, 96, 96)
    with torch.no_grad(), assert_unchanged("x", encoder, buffers=False):
        encoder(images)
    with pytest.raises(CellError, match="weights or buffers changed"), torch.no_grad(), assert_unchanged("x", encoder):
        encoder(images)


def test_fingerprint_depends_on_the_tensors_alone() -> None:
    first, second = build_autoencoder("cnn").encoder, build_autoencoder("cnn").encoder
    assert fingerprint(first) != fingerprint(second)
    second.load_state_dict(first.state_dict())
    assert fingerprint(first) == fingerprint(second)


def test_an_encoder_without_gradients_drifts_in_training_alone_and_keeps_its_weights() -> None:
    torch.manual_seed(0)
    encoder, classifier = varied(build_autoencoder("cnn").encoder), nn.LazyLinear(10)
    before, model, images = fingerprint(encoder), StatisticsOnly(encoder, classifier), torch.rand(4, 3, 96, 96)
    logits = model.eval()(images)
    assert fingerprint(encoder) == before
    torch.testing.assert_close(logits, classifier(encoder(images)))
    with assert_unchanged("x", encoder, buffers=False):
        model.train()(images).sum().backward()
    assert fingerprint(encoder) != before
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert classifier.weight.grad is not None
