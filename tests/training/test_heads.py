"""Stacked classifiers, their optimizer and their clipping, against single plain modules and PyTorch's own."""

from contextlib import AbstractContextManager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pse_repro.models import build_classifier
from pse_repro.training.heads import Adam, Heads, clipped

LATENT = 16
KINDS = ["two-hidden", "one-hidden", "one-hidden-relu"]


def bf16(enabled: bool) -> AbstractContextManager[None]:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_gradients_are_the_modules_own(kind: str, reduced: bool) -> None:
    torch.manual_seed(0)
    classifiers = [build_classifier(kind, LATENT).eval() for _ in range(3)]
    heads, features_FBD = Heads(classifiers), torch.randn(3, 7, LATENT)
    with bf16(reduced):
        logits_FBK = heads(features_FBD, None)
        expected_FBK = torch.stack([one(features) for one, features in zip(classifiers, features_FBD, strict=True)])
    assert logits_FBK.dtype == expected_FBK.dtype == (torch.bfloat16 if reduced else torch.float32)
    tolerance = 1e-2 if reduced else 1e-6
    torch.testing.assert_close(logits_FBK, expected_FBK, rtol=tolerance, atol=tolerance)
    (gradient_FP,) = torch.autograd.grad(logits_FBK.float().square().sum(), heads.weights_FP)
    expected_FBK.float().square().sum().backward()
    for row, classifier in zip(gradient_FP, classifiers, strict=True):
        plain = torch.cat(
            [parameter.grad.flatten() for parameter in classifier.parameters() if parameter.grad is not None]
        )
        torch.testing.assert_close(row, plain, rtol=10 * tolerance, atol=10 * tolerance)


def test_masks_fall_where_the_dropout_layers_are() -> None:
    torch.manual_seed(0)
    classifier = build_classifier("two-hidden", LATENT)
    drawn: list[tuple[tuple[int, ...], float]] = []

    def mask(hidden_FBH: Tensor, share: float) -> Tensor:
        drawn.append((tuple(hidden_FBH.shape), share))
        return torch.full_like(hidden_FBH, share)

    features_BD = torch.randn(4, LATENT)
    found_FBK = Heads([classifier])(features_BD[None], mask)
    first, second, last = (layer for layer in classifier.children() if isinstance(layer, nn.Linear))
    expected_BK = last(0.5 * second(0.1 * first(features_BD).sigmoid()).sigmoid())
    torch.testing.assert_close(found_FBK[0], expected_BK)
    assert drawn == [((1, 4, 128), 0.1), ((1, 4, 128), 0.5)]


@given(st.lists(st.tuples(st.floats(1e-5, 1.0), st.sets(st.integers(1, 9))), min_size=1, max_size=4))
def test_adam_is_torch_s_for_each_row(rows: list[tuple[float, set[int]]]) -> None:
    """Compare rows with their learning rates and the steps that they skip (never the first)."""
    drawn = torch.Generator().manual_seed(0)
    weights_FP = torch.randn(len(rows), 6, generator=drawn, dtype=torch.float64)
    twins = [nn.Parameter(row.clone()) for row in weights_FP]
    optimizers = [torch.optim.Adam([twin], rate) for twin, (rate, _) in zip(twins, rows, strict=True)]
    adam, rates_F1 = Adam(weights_FP), torch.tensor([[rate] for rate, _ in rows], dtype=torch.float64)
    for step in range(10):
        moves = [step not in absent for _, absent in rows]
        gradient_FP = torch.randn(len(rows), 6, generator=drawn, dtype=torch.float64)
        gradient_FP *= torch.tensor(moves)[:, None]
        adam.step(weights_FP, gradient_FP, rates_F1, torch.tensor(moves)[:, None])
        for twin, optimizer, gradient_P, moves_now in zip(twins, optimizers, gradient_FP, moves, strict=True):
            twin.grad = gradient_P
            if moves_now:
                optimizer.step()
    torch.testing.assert_close(weights_FP, torch.stack(twins).detach(), rtol=1e-12, atol=1e-12)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=4), st.floats(0.1, 5))
def test_clipping_is_torch_s_for_each_row(scales: list[float], norm: float) -> None:
    sizes, drawn = [6, 2, 1], torch.Generator().manual_seed(0)
    gradient_FP = torch.randn(len(scales), 9, generator=drawn) * torch.tensor(scales)[:, None]
    for row, gradient_P in zip(clipped(gradient_FP, sizes, norm), gradient_FP, strict=True):
        twins = [nn.Parameter(torch.zeros(size)) for size in sizes]
        for twin, part in zip(twins, gradient_P.clone().split(sizes), strict=True):
            twin.grad = part
        nn.utils.clip_grad_norm_(twins, norm)
        torch.testing.assert_close(row, torch.cat([twin.grad for twin in twins if twin.grad is not None]))
