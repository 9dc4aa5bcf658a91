"""How long a study takes on a machine: its work counted in images, times a rate measured here."""

import time

import torch

from pse_repro.config import Protocol, Study
from pse_repro.device import Machine
from pse_repro.models import build_autoencoder
from pse_repro.study.cells import Cell, expand
from pse_repro.training.pretrain import Length

UNLABELED, TRAIN, TEST = 100_000, 5_000, 8_000  # STL-10's sizes
TYPICAL_EPOCHS = 160  # of a fold's classifier: the released logs' best epochs are near 110, and 50 more follow
MEASURED_BATCH = 16


def estimate_seconds(study: Study, protocols: list[Protocol], seeds: int, machine: Machine) -> float:
    """Seconds for a study on STL-10's sizes: a rough lower bound, since augmentation is left out."""
    cells = expand(study, protocols, seeds)
    rates = {encoder: _rates(encoder, machine) for encoder in {cell.model.encoder for cell in cells}}
    return sum(_cell_seconds(cell, study, *rates[cell.model.encoder]) for cell in cells)


def _cell_seconds(cell: Cell, study: Study, trained_per_second: float, read_per_second: float) -> float:
    subset, settings = study.subset, cell.protocol.settings
    length = Length.of(cell.model, cell.protocol, cell.epochs)
    train, test = min(TRAIN, subset.train or TRAIN), min(TEST, subset.test or TEST)
    seconds = length.epochs * min(UNLABELED, subset.unlabeled or UNLABELED) / trained_per_second
    if "finetune" in cell.evaluations:
        epochs = min(TYPICAL_EPOCHS, settings.downstream_max_epochs)
        whole = cell.protocol.switches.finetuning == "whole-encoder"
        seconds += cell.folds * (
            epochs * train / (trained_per_second if whole else read_per_second) + test / read_per_second
        )
    if "frozen" in cell.evaluations:
        seconds += (cell.folds * train + test) / read_per_second
    return seconds


def _rates(encoder: str, machine: Machine) -> tuple[float, float]:
    """Images a second: through a training step of the autoencoder, and through the encoder alone."""
    autoencoder = build_autoencoder(encoder).to(machine.device)
    images = torch.rand(MEASURED_BATCH, 3, 96, 96, device=machine.device)
    times = []
    for step in range(4):
        started = time.perf_counter()
        with torch.set_grad_enabled(step < 2), machine.autocast():
            loss = autoencoder(images)[1].float().square().mean() if step < 2 else autoencoder.encoder(images).sum()
        if step < 2:
            loss.backward()
        machine.synchronize()
        times.append(time.perf_counter() - started)
    return MEASURED_BATCH / times[1], MEASURED_BATCH / times[3]
