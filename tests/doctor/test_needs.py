"""The computed needs of the studies agree with measurements."""

import pytest
import torch

from pse_repro.doctor.needs import ARCHIVE_BYTES, FILES_BYTES, TRAINING_BYTES, _checkpoint_bytes, run_bytes
from pse_repro.models import build_autoencoder


def test_stl10_is_5_8_gb_while_it_is_unpacked() -> None:
    assert FILES_BYTES == 3_124_237_000
    assert round((ARCHIVE_BYTES + FILES_BYTES) / 1e9, 1) == 5.8


def test_runs_take_as_much_as_was_seen() -> None:
    """smoke left 46 MB on 2026-11-22; during training, at most two states of 4 x 22 MB more."""
    seen = 46e6
    assert seen + 2 * 4 * 22e6 < run_bytes("smoke") < 2 * (seen + 2 * 4 * 22e6)
    assert run_bytes("smoke") < run_bytes("quick") < run_bytes("full")


def test_a_checkpoint_is_its_tensors() -> None:
    assert _checkpoint_bytes("cnn") == pytest.approx(22_042_996, rel=1e-3)  # a finished run's file, 2026-11-22


def test_training_takes_more_than_what_the_backward_pass_keeps() -> None:
    """The lower bound follows from shapes: activations kept for 128 images; the upper one is 1.5 times as much."""
    for encoder, taken in TRAINING_BYTES.items():
        kept: dict[int, torch.UntypedStorage] = {}
        with torch.device("meta"):
            autoencoder, images = build_autoencoder(encoder), torch.rand(128, 3, 96, 96)

        def keep(tensor: torch.Tensor, kept: dict[int, torch.UntypedStorage] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            autoencoder(images)[1].square().mean()
        assert 1.0 < taken / sum(storage.nbytes() for storage in kept.values()) < 1.5
