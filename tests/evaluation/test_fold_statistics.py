"""One encoder for several folds, against one copy of it per fold."""

import copy
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pse_repro.evaluation.encoders import fingerprint
from pse_repro.evaluation.fold_statistics import FoldStatistics
from pse_repro.models import build_autoencoder
from tests.support.tiny import TinyAutoencoder
from tests.support.varied_encoder import varied

Encode = Callable[[FoldStatistics, Sequence[Tensor]], Sequence[Tensor]]


def as_on_a_gpu(statistics: FoldStatistics, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """Encode all folds in one pass, without changing the encoder's mode."""
    with torch.no_grad():
        return statistics._encode(statistics.rows_FS, inputs)


def as_on_a_cpu(statistics: FoldStatistics, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    return statistics(inputs, training=statistics.encoder.training)


def check(encoder: nn.Module, steps: Sequence[Sequence[int]], encode: Encode, reduced: bool = False) -> None:
    """Compare training steps with the folds' batch sizes in `steps`, then encoding in evaluation mode."""
    count, before = len(steps[0]), fingerprint(encoder)
    statistics, twins = FoldStatistics(encoder, count), [copy.deepcopy(encoder) for _ in range(count)]
    drawn = torch.Generator().manual_seed(0)
    for sizes, training in [*((sizes, True) for sizes in steps), ([2] * count, False)]:
        inputs = [torch.rand(size, 3, 96, 96, generator=drawn) for size in sizes]
        encoder.train(training)
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            found = encode(statistics, inputs)
            with torch.no_grad():
                expected = [twin.train(training)(x) if len(x) else None for twin, x in zip(twins, inputs, strict=True)]
        for latents_BD, size, theirs_BD in zip(found, sizes, expected, strict=True):
            assert len(latents_BD) == size
            if theirs_BD is not None:
                torch.testing.assert_close(latents_BD, theirs_BD, rtol=1e-4, atol=1e-2 if reduced else 1e-5)
    assert fingerprint(encoder) == before
    for row_S, twin in zip(statistics.rows_FS, twins, strict=True):
        for (name, found_C), (_, expected_C) in zip(
            statistics.encoder_with(row_S).named_buffers(), twin.named_buffers(), strict=True
        ):
            if "running" in name:
                torch.testing.assert_close(found_C, expected_C, rtol=1e-5, atol=1e-6)
    assert not torch.equal(statistics.rows_FS[0], statistics.rows_FS[1])


@pytest.mark.parametrize("reduced", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("encode", [as_on_a_cpu, as_on_a_gpu])
@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_folds_that_share_an_encoder_equal_folds_that_have_their_own(name: str, encode: Encode, reduced: bool) -> None:
    torch.manual_seed(0)
    check(varied(build_autoencoder(name).encoder), [(3, 2), (2, 0), (1, 2)], encode, reduced)


@pytest.mark.parametrize("encode", [as_on_a_cpu, as_on_a_gpu])
@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4))
@settings(max_examples=15)
def test_batches_of_any_size(encode: Encode, steps: list[tuple[int, int, int]]) -> None:
    torch.manual_seed(0)
    check(varied(TinyAutoencoder().encoder), steps, encode)


def test_a_copy_has_the_statistics_and_the_weights() -> None:
    torch.manual_seed(0)
    encoder = varied(TinyAutoencoder().encoder)
    statistics = FoldStatistics(encoder, 2)
    assert fingerprint(statistics.encoder_with(statistics.rows_FS[1])) == fingerprint(encoder)
    drifted = statistics.encoder_with(statistics.rows_FS[1] + 1)
    assert fingerprint(drifted, buffers=False) == fingerprint(encoder, buffers=False)
    for name, buffer in drifted.named_buffers():
        torch.testing.assert_close(buffer, dict(encoder.named_buffers())[name] + (1 if "running" in name else 0))
