"""State of a pre-training, from which it is resumed: between two epochs or within one, in memory and as tensors."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from pse_repro.seeding import generator_states


class Stopwatch:
    """Seconds that have passed, added to those of earlier sessions; not counted while paused."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._zero = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._zero

    @contextmanager
    def paused(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._zero += time.perf_counter() - began


@dataclass
class PartialEpoch:
    """An epoch that has begun: how far it is, and what it has computed besides the weights.

    Shapes: M metrics of a validation batch.
    """

    epoch: int
    loss_sum: Tensor  # of the training batches so far, on the device
    steps: int = 0
    metrics: list[str] = field(default_factory=list)
    measured_M: list[Tensor] = field(default_factory=list)  # one per validation batch so far, on the device
    watch: Stopwatch = field(default_factory=Stopwatch)
    prepared: float = 0.0  # seconds before the first step
    objective: dict[str, Tensor] = field(default_factory=dict)  # of `Objective.epoch_tensors`
    generators: dict[str, Tensor] = field(default_factory=dict)  # states to continue from; empty unless resumed

    @property
    def resumed(self) -> bool:
        return bool(self.generators)

    @property
    def trained_seconds(self) -> float:
        """Seconds that the steps have taken, which a budget of seconds limits."""
        return self.watch.seconds - self.prepared

    def mean_loss(self) -> dict[str, float]:
        """Return the mean training "loss" and the number of "steps"."""
        return {"loss": float(self.loss_sum) / self.steps, "steps": self.steps}

    def mean_measures(self) -> dict[str, float]:
        """Return the means over the validation batches by metric."""
        return dict(zip(self.metrics, torch.stack(self.measured_M).mean(0).tolist(), strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """Return its tensors by name; called while the epoch draws, as they include the generators' states."""
        found = {"loss_sum": self.loss_sum} | _prefixed("objective/", self.objective)
        found |= {"measured": torch.stack(self.measured_M)} if self.measured_M else {}
        return found | _prefixed("generators/", generator_states())

    def note(self) -> dict[str, Any]:
        seconds = {"seconds": self.watch.seconds, "prepared": self.prepared}
        return {"steps": self.steps, "metrics": self.metrics} | seconds

    @classmethod
    def restored(cls, epoch: int, tensors: dict[str, Tensor], note: dict[str, Any], device: torch.device) -> Self:
        """Return an epoch from its `tensors` and `note`, to be resumed on the device."""
        return cls(
            epoch,
            tensors["loss_sum"].to(device),
            int(note["steps"]),
            list(note["metrics"]),
            list(tensors["measured"].to(device)) if "measured" in tensors else [],
            Stopwatch(float(note["seconds"])),
            float(note["prepared"]),
            _with_prefix("objective/", tensors),
            _with_prefix("generators/", tensors),
        )


@dataclass
class State:
    """Everything needed to resume an interrupted pre-training; the run store writes and reads it."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)  # state dict of the kept epoch
    best_epoch: int = -1
    curves: list[dict[str, float]] = field(default_factory=list)  # one row per epoch
    partial: PartialEpoch | None = None  # None between two epochs

    @property
    def epoch(self) -> int:
        return len(self.curves)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, for safetensors."""
        found = _prefixed("model/", self.network.state_dict())
        found |= _prefixed("optimizer/", optimizer_tensors(self.optimizer)) | _prefixed("best/", self.best)
        return found | (_prefixed("partial/", self.partial.tensors()) if self.partial else {})

    def note(self) -> dict[str, Any]:
        """Return everything else, for JSON."""
        partial = self.partial.note() if self.partial else None
        return {"best_epoch": self.best_epoch, "curves": self.curves, "partial": partial}

    def restore(self, tensors: dict[str, Tensor], note: dict[str, Any], device: torch.device) -> None:
        """Load the output of `tensors` and `note`.

        KeyError, RuntimeError, TypeError or ValueError if they are not of this model.
        """
        self.network.load_state_dict(_with_prefix("model/", tensors))
        restore_optimizer(self.optimizer, _with_prefix("optimizer/", tensors))
        self.best = {name: value.to(device) for name, value in _with_prefix("best/", tensors).items()}
        self.best_epoch, self.curves = note["best_epoch"], note["curves"]
        partial = note.get("partial")  # missing in states from before epochs were saved within
        if partial is not None:
            self.partial = PartialEpoch.restored(self.epoch, _with_prefix("partial/", tensors), partial, device)


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's moments and step counts by name, for safetensors."""
    states = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, state in states.items() for key, value in state.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the output of `optimizer_tensors` into a fresh optimizer.

    Files store tensors contiguously, so the moments are copied to the memory layout of their weights, which may be
    channels last. A fused Adam reads both in memory order, and on a GPU rejects differing strides.
    """
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})
    for weights, state in optimizer.state.items():
        for key in state.keys() - {"step"}:
            state[key] = torch.empty_like(weights).copy_(state[key])
