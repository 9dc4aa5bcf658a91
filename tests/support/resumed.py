"""Pre-training by the run store on a machine, interrupted after its first epoch or within it, and resumed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch

from pse_repro.config.study import Budget, Model
from pse_repro.machine.device import Machine
from pse_repro.progress.stages import Progress
from pse_repro.run.context import RunContext
from pse_repro.run.pretrain import PretrainRun
from pse_repro.study.cells import Cell
from pse_repro.study.store import read_json
from pse_repro.training.state import State
from tests.support.tiny import dataset, protocol, sigma_of

EPOCHS = 2


class CutShortError(Exception):
    """Raised in place of a kill."""


def cell(name: str, encoder: str = "cnn", steps_per_epoch: int = 1) -> Cell:
    """Return the cell of one model pre-trained by this objective."""
    model = Model(encoder, name, sigma_of(name))
    return Cell(protocol("as-described"), model, 0, EPOCHS, (), 2, Budget(steps=EPOCHS * steps_per_epoch))


def pretrained(folder: Path, which: Cell, machine: Machine) -> PretrainRun:
    """Pre-train to the end, resuming an earlier run in the folder."""
    run = PretrainRun(
        which, RunContext(folder, dataset(unlabeled=60, train=50, test=10), machine, Progress(quiet=True))
    )
    run.complete()
    return run


def cut_short(folder: Path, which: Cell, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pre-train, and stop as soon as a state is saved: after the first epoch, unless SAVE_SECONDS have passed."""
    save = PretrainRun._save

    def save_and_stop(run: PretrainRun, state: State) -> None:
        save(run, state)
        raise CutShortError

    with monkeypatch.context() as patched:
        patched.setattr(PretrainRun, "_save", save_and_stop)
        with pytest.raises(CutShortError):
            pretrained(folder, which, machine)
    assert len(list(folder.rglob("state.safetensors"))) == 1


def curves(run: PretrainRun) -> pd.DataFrame:
    """Return the curves over epochs, without their seconds."""
    return pd.read_csv(run.files.curves).drop(columns="seconds")


def checkpoint(run: PretrainRun) -> str:
    """Return the SHA-256 of the stored weights."""
    return str(read_json(run.files.pretraining)["checkpoint_sha256"])


def check_resumed(folder: Path, which: Cell, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that a resumed pre-training gives the curves and weights of an uninterrupted one, bit for bit."""
    with deterministic():
        cut_short(folder / "cut", which, machine, monkeypatch)
        resumed, whole = (pretrained(folder / name, which, machine) for name in ("cut", "whole"))
    assert curves(resumed).equals(curves(whole))
    assert checkpoint(resumed) == checkpoint(whole)


@contextmanager
def deterministic() -> Iterator[None]:
    """Use PyTorch's deterministic operations if they exist; otherwise a real GPU sums in no fixed order.

    CUBLAS_WORKSPACE_CONFIG=:4096:8 must be set before Python starts.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
