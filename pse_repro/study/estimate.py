"""Lower bound of a study's time on a machine: its images and steps, times their measured cost.

Counted: passes through the networks (one per image, whatever the objective), augmentation, optimizer steps. Left out:
the loss, reading and writing files, clusterings, the baselines on pixels, the report. A cost is the fastest of a few
repeats, so that a short load on the machine does not matter.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Study
from pse_repro.data.augment.steps import Augmentation, downstream_augmentation, pretrain_augmentation
from pse_repro.data.stl10 import OFFICIAL_IMAGES, SIDE
from pse_repro.evaluation.cost import WHOLE_PASS, Costs, Work
from pse_repro.evaluation.registry import row_of
from pse_repro.machine.device import Machine
from pse_repro.models import ENCODERS, build_autoencoder, build_classifier
from pse_repro.objectives import OBJECTIVES
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell, expand

MEASURED_BATCH = 8  # on a CPU, where an image costs about the same in a batch of 8 as in one of 32 (measured)
MEASURED_GPU_BATCH = 128  # the protocols' batch: a GPU is far from busy with fewer
MEASURE_SECONDS = 4.0  # for all encoders; about five in practice, more if a single pass exceeds its share


def estimate_seconds(
    study: Study,
    protocols: list[Protocol],
    seeds: int,
    machine: Machine,
    costs: Mapping[str, Costs] | None = None,
    images: Mapping[str, int] = OFFICIAL_IMAGES,
) -> float:
    """Return a lower bound of a study's time in seconds. `costs`, by encoder, are measured here if not given.

    `images` are the sizes of the splits before the study takes its subset: STL-10's by default.
    """
    cells = expand(study, protocols, seeds)
    costs = costs or measure({cell.model.encoder for cell in cells}, machine)
    taken = {split: min(count, getattr(study.subset, split) or count) for split, count in images.items()}
    if share := study.subset.held_out:
        taken["test"] = round(share * taken["train"])
        taken["train"] -= taken["test"]
    work: dict[Path, float] = {}  # by folder: shared work is done once
    for cell in cells:
        cost = costs[cell.model.encoder]
        work[CellFiles(Path(), cell).model] = _pretraining_seconds(cell, taken, cost)
        for evaluation in cell.evaluations:
            evaluating = Work(cell.protocol, cell.folds, taken, cost)
            work[CellFiles(Path(), cell).evaluation(evaluation)] = row_of(evaluation).seconds(evaluating)
    return sum(work.values())


def _pretraining_seconds(cell: Cell, images: Mapping[str, int], cost: Costs) -> float:
    length, objective = cell.length, OBJECTIVES[cell.model.objective].kind
    held_out = images["unlabeled"] * cell.protocol.settings.validation_fraction
    # An objective without reconstructions trains at least the encoder.
    train, read = (cost.train, cost.forward) if objective.reconstructs else (WHOLE_PASS * cost.encode, cost.encode)
    if not objective.trains:
        return held_out * read
    if length.seconds is not None:
        return length.epochs * (length.seconds + held_out * read)
    trained = images["unlabeled"] - held_out if length.steps is None else length.steps * length.batch_size
    small = cost.small if cell.protocol.switches.pretrain_augmentation == "small" else 0.0
    epoch = trained * (train + small + cost.step / length.batch_size) + held_out * read
    return length.epochs * epoch


def measure(encoders: Iterable[str], machine: Machine) -> dict[str, Costs]:
    """Measure the cost of images and steps on this machine, by encoder, within MEASURE_SECONDS in all."""
    names = sorted(encoders)
    share = MEASURE_SECONDS / (
        3 + 6 * len(names)
    )  # three tasks for all encoders; per encoder three tasks and training, which gets three shares
    batch = MEASURED_GPU_BATCH if machine.device.type == "cuda" else MEASURED_BATCH
    images = torch.rand(batch, 3, SIDE, SIDE, device=machine.device).contiguous(memory_format=torch.channels_last)
    shared = {
        "small": _fastest(_augmented(pretrain_augmentation("small"), images), machine, share) / batch,
        "high": _fastest(_augmented(downstream_augmentation("high"), images), machine, share) / batch,
        "classify": _fastest(_classifier_step(machine), machine, share),
    }
    return {name: Costs(**shared, **_passes(name, images, machine, share)) for name in names}


def _passes(encoder: str, images: Tensor, machine: Machine, share: float) -> dict[str, float]:
    autoencoder = build_autoencoder(encoder)
    autoencoder.to(machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(autoencoder.parameters(), fused=machine.device.type == "cuda")

    def train() -> None:
        with machine.autocast():
            loss = (autoencoder(images)[1].float() - images).square().mean()
        optimizer.zero_grad()
        loss.backward()

    def step() -> None:
        nn.utils.clip_grad_norm_(autoencoder.parameters(), 1.0)
        optimizer.step()

    @torch.no_grad()
    def read(network: nn.Module) -> None:
        with machine.autocast():
            network(images)

    costs = {"train": _fastest(train, machine, 3 * share) / len(images), "step": _fastest(step, machine, share)}
    autoencoder.eval()
    return costs | {
        "forward": _fastest(lambda: read(autoencoder), machine, share) / len(images),
        "encode": _fastest(lambda: read(autoencoder.encoder), machine, share) / len(images),
    }


def _augmented(augment: Augmentation | None, images: Tensor) -> Callable[[], object]:
    assert augment is not None  # only the kind "none" is None
    return lambda: augment(images)


def _classifier_step(machine: Machine) -> Callable[[], None]:
    classifier = build_classifier("two-hidden", ENCODERS["cnn"].latent_size).to(machine.device)
    optimizer = torch.optim.Adam(classifier.parameters())
    features_ND = torch.rand(MEASURED_GPU_BATCH, ENCODERS["cnn"].latent_size, device=machine.device)

    def step() -> None:
        with machine.autocast():
            loss = classifier(features_ND).float().square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(classifier.parameters(), 0.5)
        optimizer.step()

    return step


def _fastest(work: Callable[[], object], machine: Machine, share: float) -> float:
    """Return the seconds of the fastest repeat of `work` within `share` seconds.

    The first repeat is a warm-up and counts only if it is alone. Then, on a slow machine, it is up to 15 % too long
    (measured with the ResNet on a CPU).
    """
    taken: list[float] = []
    while not taken or sum(taken) < share:
        started = time.perf_counter()
        work()
        machine.synchronize()
        taken.append(time.perf_counter() - started)
    return min(taken[1:] or taken)
