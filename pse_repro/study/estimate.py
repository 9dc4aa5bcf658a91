"""How long a study takes on a machine at least: its work counted in images and steps, times what these cost here.

Counted: passes through the networks (one an image, whatever the objective makes of it), augmentation, optimizer steps.
Left out: the loss, reading and writing files, clusterings, the baselines on pixels, the report. Costs are the fastest
of a few repeats, so that a busy moment does not count.
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
from pse_repro.evaluation.registry import EVALUATIONS
from pse_repro.machine.device import Machine
from pse_repro.models import ENCODERS, build_autoencoder, build_classifier
from pse_repro.objectives import OBJECTIVES
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell, expand

MEASURED_BATCH = 8  # on a CPU, where an image costs about the same in a batch of 8 as in one of 32 (measured)
MEASURED_GPU_BATCH = 128  # the protocols' batch: a GPU is far from busy with fewer
MEASURE_SECONDS = 4.0  # for all encoders together; five in all, and more where a single pass outlasts its share


def estimate_seconds(
    study: Study,
    protocols: list[Protocol],
    seeds: int,
    machine: Machine,
    costs: Mapping[str, Costs] | None = None,
    images: Mapping[str, int] = OFFICIAL_IMAGES,
) -> float:
    """Seconds for a study, at least. `costs` by encoder are measured here where they are not given.

    `images` are the sizes of the splits before the study takes its subset: STL-10's, unless others are known.
    """
    cells = expand(study, protocols, seeds)
    costs = costs or measure({cell.model.encoder for cell in cells}, machine)
    taken = {split: min(count, getattr(study.subset, split) or count) for split, count in images.items()}
    work: dict[Path, float] = {}  # by folder: what protocols share is done once
    for cell in cells:
        cost = costs[cell.model.encoder]
        work[CellFiles(Path(), cell).model] = _pretraining_seconds(cell, taken, cost)
        for evaluation in cell.evaluations:
            judging = Work(cell.protocol, cell.folds, taken, cost)
            work[CellFiles(Path(), cell).evaluation(evaluation)] = EVALUATIONS[evaluation].seconds(judging)
    return sum(work.values())


def _pretraining_seconds(cell: Cell, images: Mapping[str, int], cost: Costs) -> float:
    length, objective = cell.length, OBJECTIVES[cell.model.objective].kind
    held_out = images["unlabeled"] * cell.protocol.settings.validation_fraction
    # What gives no images back trains its encoder at least.
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
    """What images and steps cost on this machine, by encoder, in MEASURE_SECONDS in all."""
    names = sorted(encoders)
    share = MEASURE_SECONDS / (3 + 6 * len(names))  # three works for all encoders; four of each one's, training thrice
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
    assert augment is not None  # None is the kind "none" alone
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
    """Seconds of the fastest of as many repeats as fit `share` seconds; the first, a warm-up, counts only if alone.

    (Alone, on a slow machine, it is up to 15 % too long: measured with the ResNet on a CPU.)
    """
    taken: list[float] = []
    while not taken or sum(taken) < share:
        started = time.perf_counter()
        work()
        machine.synchronize()
        taken.append(time.perf_counter() - started)
    return min(taken[1:] or taken)
