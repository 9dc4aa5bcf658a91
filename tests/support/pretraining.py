"""A short pre-training on a few drawn images; and one interrupted anywhere, stored as files, and resumed."""

import hashlib
import json
from pathlib import Path

from pse_repro.config.study import Budget, Model, Recipe
from pse_repro.data.stl10 import Dataset
from pse_repro.study import store
from pse_repro.study.cells import length_of
from pse_repro.training.pretrain import Pretraining
from pse_repro.training.state import State
from tests.support.tiny import CPU, dataset, protocol

PSE_3 = Model("cnn", "pse", 3.0)


def pretraining(
    model: Model = PSE_3, epochs: int = 4, unlabeled: int = 60, budget: Budget | None = None, **switches: object
) -> Pretraining:
    under = protocol(switches=switches)
    length = length_of(model, under, epochs, budget)
    return Pretraining(Recipe("cell", model, under, length, 0), dataset(unlabeled, 50, 10), CPU)


def with_copies(copies: int, unlabeled: int = 80) -> Dataset:
    """Return drawn images whose first unlabelled ones are copies of the first test images."""
    data = dataset(unlabeled, 50, 40)
    data.unlabeled.stored_NCWH[:copies] = data.test.stored_NCWH[:copies]
    return data


def nothing(_: object) -> None:
    pass


def saved(state: State, path: Path) -> Path:
    """Store a state as a run does; convolution weights are stored contiguously, and in memory channels last."""
    store.write_tensors(path, state.tensors(), json.loads(json.dumps(state.note())))
    return path


def resumed(training: Pretraining, path: Path) -> State:
    """Finish a fresh pre-training from a stored state."""
    training.state.restore(*store.read_tensors(path), CPU.device)
    training.run(nothing, nothing)
    return training.state


def outcome(state: State) -> tuple[list[dict[str, float]], int, dict[str, str]]:
    """Return all that a pre-training ends with, except seconds: curves, best epoch, and each tensor's SHA-256."""
    curves = [{name: value for name, value in row.items() if name != "seconds"} for row in state.curves]
    tensors = {name: hashlib.sha256(value.numpy().tobytes()).hexdigest() for name, value in state.tensors().items()}
    return curves, state.best_epoch, tensors
