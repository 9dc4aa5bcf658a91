"""Where a cell's work lies: folders named by what determines their content, so that cells which share it do it once.

Two protocols that differ in a downstream switch alone share their checkpoints; two that differ in how scores are
computed or printed (switches 12 and 13) share their classifiers, too. Random numbers are drawn from the model's name
and its seed, never from the protocol's, so that work which is shared is the work that either would have done.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pse_repro.evaluation.registry import EVALUATIONS
from pse_repro.study.cells import Cell
from pse_repro.study.store import read_json

SHOWN_IMAGES = 8  # test images whose reconstructions are kept for the report

_PRETRAIN = ("pretrain_augmentation", "gradient_clipping")
_KERNEL = ("kernel_mass", "kernel_support", "borders")


def cell_folder(run_directory: Path, cell: Cell) -> Path:
    """What is the cell's alone: its provenance, or why it could not go on."""
    return run_directory / "cells" / cell.name


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
        "switches": _switches(cell, EVALUATIONS[evaluation].switches),
    }
    return model_folder(run_directory, cell) / f"{evaluation}-{_digest(content)}"


def _switches(cell: Cell, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(cell.protocol.switches, name) for name in names}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
