"""A batch of drawn images, a few training steps, and the parameters that a loss reaches."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pse_repro.objectives import Batch, Objective
from pse_repro.seeding import seeded
from tests.support.tiny import dataset


def drawn_batch(count: int = 8, training: bool = True) -> Batch:
    images_NCHW = torch.from_numpy(dataset(count).unlabeled.stored_NCWH).transpose(2, 3) / 255
    return Batch(images_NCHW.contiguous(memory_format=torch.channels_last), torch.arange(count), training, 0.0)


def fresh(objective: Objective) -> nn.Module:
    """Return the objective's network, initialised with a fixed seed."""
    with seeded("few steps"):
        return objective.network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def losses(objective: Objective, network: nn.Module, batch: Batch, steps: int = 6, rate: float = 1e-3) -> list[float]:
    """Return the loss before each step and after the last one, with the same random draws each time."""
    optimizer = torch.optim.Adam(network.parameters(), rate)
    found = []
    for _ in range(steps + 1):
        with seeded("draws"):
            loss = objective.loss(network, batch)
        found.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return found


def assert_falls(objective: Objective, network: nn.Module, batch_of: Callable[[int], Batch], steps: int) -> None:
    """Assert that the loss falls by a tenth over `steps` steps on batches of 16, each with new random draws."""
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    found = []
    for _ in range(steps):
        loss = objective.loss(network, batch_of(16))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    assert sum(found[-5:]) < 0.9 * sum(found[:5])


def assert_reaches_all(network: nn.Module, loss: Tensor) -> None:
    """Assert that the loss is float32 and gives every parameter a finite gradient that is not all zero."""
    loss.backward()
    assert loss.dtype == torch.float32
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def reached(network: nn.Module, loss: Tensor) -> set[str]:
    """Return the names of the parameters whose gradient is not all zero."""
    network.zero_grad()
    loss.backward()
    return {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}


def named(network: nn.Module, *prefixes: str) -> set[str]:
    """Return the names of the parameters that begin with one of the prefixes."""
    return {name for name, _ in network.named_parameters() if name.startswith(prefixes)}
