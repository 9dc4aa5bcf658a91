"""Embeddings of two views, and what objectives that compare them do with the views of drawn images."""

import torch
from torch import Tensor, nn

from pse_repro.objectives import Batch
from pse_repro.objectives.shared.views import TwoViews
from pse_repro.seeding import seeded
from tests.support.few_steps import fresh


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def moved_apart(objective: TwoViews) -> nn.Module:
    """Return the objective's network in evaluation mode, after some steps as it were: no weight is what it was."""
    network = fresh(objective).eval()
    with torch.no_grad(), seeded("apart"):
        for weights in network.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return network


def seen(objective: TwoViews, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the first and second views that the objective draws after the seed "step"."""
    with seeded("step"):
        first, second = objective.views(batch).chunk(2)
    return first, second
