"""Where a cell's work lies: folders named by what determines their content, so that cells which share it do it once.

Two protocols that differ in a downstream switch alone share their checkpoints; two that differ in how scores are
computed or printed (switches 12 and 13) share their classifiers, too. Random numbers are drawn from the model's name
and its seed, never from the protocol's, so that work which is shared is the work that either would have done.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pse_repro.study.cells import Cell
from pse_repro.study.store import read_json

_FINETUNE = ("finetuning", "classifier", "downstream_augmentation", "fold_order", "gradient_clipping")
_FROZEN = ("frozen_normalisation", "classifier", "downstream_augmentation", "fold_order", "gradient_clipping")
_PRETRAIN = ("pretrain_augmentation", "gradient_clipping")
_KERNEL = ("kernel_mass", "kernel_support", "borders")
_LOW_LABEL = ("downstream_augmentation", "gradient_clipping")
EVALUATION_SWITCHES: dict[str, tuple[str, ...]] = {
    "finetune": _FINETUNE,
    "frozen": _FROZEN,
    "linear": ("fold_order",),
    "knn": ("fold_order",),
    "low-label-1": _LOW_LABEL,
    "low-label-10": _LOW_LABEL,
    "low-label-100": _LOW_LABEL,
    "cluster": (),
}


def cell_folder(run_directory: Path, cell: Cell) -> Path:
    """What is the cell's alone: its provenance, or why it could not go on."""
    return run_directory / "cells" / cell.name


def stored_seeds(run_directory: Path) -> range:
    """The seeds that have left something in a run, whether complete or not."""
    found = [re.search(r"-seed(\d+)$", path.name) for path in run_directory.glob("cells/*/*")]
    found += [re.search(r"-seed(\d+)-[0-9a-f]{8}$", path.name) for path in run_directory.glob("models/*")]
    return range(max((int(match[1]) + 1 for match in found if match), default=0))


def asked_seeds(run_directory: Path) -> int:
    """How many seeds a run was asked for last, or has begun, whichever is more; 1 at least."""
    path = run_directory / "asked.json"
    asked = int(read_json(path)["seeds"]) if path.exists() else 1
    return max(1, asked, len(stored_seeds(run_directory)))


def images_place(run_directory: Path) -> Path | None:
    """Where the images lay that a run was last continued on; None where it does not say or they are gone."""
    path = run_directory / "asked.json"
    place = read_json(path).get("images") if path.exists() else None
    return Path(place) if place and Path(place).exists() else None


def model_folder(run_directory: Path, cell: Cell) -> Path:
    """The checkpoint, curves and reconstructions of the cell's pre-training."""
    length, settings = cell.length, cell.protocol.settings
    content = {
        "model": [cell.model.encoder, cell.model.objective, cell.model.sigma],
        "seed": cell.seed,
        "length": [length.epochs, length.batch_size],
        "settings": [settings.learning_rate, settings.validation_fraction, settings.pretrain_clip_norm],
        "switches": _switches(cell, _PRETRAIN if cell.model.sigma is None else (*_KERNEL, *_PRETRAIN)),
    }
    if cell.budget:
        content["budget"] = [length.steps, length.seconds]
    return run_directory / "models" / f"{cell.lineage}-{_digest(content)}"


def evaluation_folder(run_directory: Path, cell: Cell, evaluation: str) -> Path:
    """The folds of one evaluation of that pre-training."""
    settings = vars(cell.protocol.settings)
    content = {
        "settings": {name: value for name, value in settings.items() if not name.startswith("pretrain_")},
        "switches": _switches(cell, EVALUATION_SWITCHES[evaluation]),
    }
    return model_folder(run_directory, cell) / f"{evaluation}-{_digest(content)}"


def _switches(cell: Cell, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(cell.protocol.switches, name) for name in names}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
