"""Paths of everything inside a run; no other file spells one.

RUN/run.json                       study, protocols, data, precision, device; other settings are refused on resuming
RUN/manifest.jsonl                 what was written, by file (study/manifest.py); cells and pre-trainings have one, too
RUN/asked.json                     seeds requested last (more may be stored), and the path of the images
RUN/results.csv                    the long table of all cells
RUN/report.html, report.md, figures/
RUN/now/                           status files of the running processes (progress/)
RUN/tensorboard/                   with --log-to tensorboard
RUN/set-aside/TIME/                altered files that were made again (--repair), at their paths in the run
RUN/baselines/NAME-ORDER-FOLDS/    fold-K.npz of a baseline on pixels
RUN/test_sample.npz                some test images, for the report (run/model_summary.py)
RUN/cells/PROTOCOL/MODEL-seedN/    one cell: provenance.json, or failed.json if it could not be finished
RUN/models/MODEL-seedN-HASH/       one pre-training, shared by all cells that need it
    state.safetensors              last saved state (deleted once the pre-training is done)
    checkpoint.safetensors         the final network; its SHA-256 is in pretrain.json
    pretrain.json  curves.csv  reconstructions.npz (autoencoders only)  portrait.npz (run/model_summary.py)
    epochs/epoch-K.npz             features after every epoch, if they are clustered
    epochs/weights-K.safetensors   the best network of the first K epochs, if it is evaluated (linear@K)
    EVALUATION-HASH/fold-K.npz     probabilities (N, 10) on the test set, labels, losses by epoch
    cluster-HASH/                  measures.json, embedding.npz, curve.csv (run/cluster.py)
    zero-shot-HASH/                measures.json (run/zero_shot.py; models with a text tower only)

A folder is named by a hash of the settings that determine its content, so that cells which share it compute it once:
two protocols that differ only in a downstream switch share their checkpoints; two that differ only in how scores are
computed or printed (switches 12 and 13) also share their classifiers. Random numbers derive from the model's name and
its seed, never from the protocol's name, so that shared work equals the work that either cell would have done alone.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pse_repro.config.protocol import Protocol
from pse_repro.evaluation.registry import row_of
from pse_repro.objectives import OBJECTIVES
from pse_repro.study.cells import Cell

RECORD = "run.json"
MANIFEST = "manifest.jsonl"
SET_ASIDE = "set-aside"  # folder of altered files that were made again
FIGURES = "figures"
EPOCHS = "epochs"  # folder of features after every epoch
SUMS = "SHA256SUMS"  # only in archives
# What an archive leaves out: of no use elsewhere, or large. Weights are included on request.
NOT_ARCHIVED = re.compile(rf"asked\.json|test_sample\.npz|models/[^/]+/{EPOCHS}/.+")
WEIGHTS = re.compile(r"models/[^/]+/[^/]+\.safetensors")

SHOWN_IMAGES = 8  # test images whose reconstructions are stored for the report
# The names of the files that the kit writes into each folder of a run. In folders that match two rows, the first holds.
LAYOUT = {
    ".": r"(run|asked)\.json|results\.csv|test_sample\.npz|report\.(html|md)",
    FIGURES: r"[\w.+-]+\.(svg|png)",
    "baselines/*": r"fold-\d+\.npz",
    "cells/*/*": r"(provenance|failed)\.json",
    "models/*": r"(state|checkpoint)\.safetensors|pretrain\.json|curves\.csv|(reconstructions|portrait)\.npz",
    f"models/*/{EPOCHS}": r"epoch-\d+\.npz|weights-\d+\.safetensors",
    "models/*/*": r"fold-\d+\.npz|measures\.json|embedding\.npz|curve\.csv",
}
_PRETRAIN = ("pretrain_augmentation", "gradient_clipping")
_KERNEL = ("kernel_mass", "kernel_support", "borders")


@dataclass(frozen=True)
class RunFiles:
    """The files of a run that belong to no single cell."""

    run: Path

    @property
    def record(self) -> Path:
        return self.run / RECORD

    @property
    def requested(self) -> Path:
        return self.run / "asked.json"

    @property
    def results(self) -> Path:
        return self.run / "results.csv"

    @property
    def lock(self) -> Path:
        return self.run / ".lock"

    @property
    def statuses(self) -> Path:
        return self.run / "now"

    @property
    def scalars(self) -> Path:
        return self.run / "tensorboard"

    @property
    def test_sample(self) -> Path:
        return self.run / "test_sample.npz"

    @property
    def page(self) -> Path:
        return self.run / "report.html"

    @property
    def markdown(self) -> Path:
        return self.run / "report.md"

    @property
    def figures(self) -> Path:
        return self.run / FIGURES

    def own_folders(self) -> dict[Path, re.Pattern[str]]:
        """Return the run's folders that exist, none of them behind a link, with the names of their files."""
        found: dict[Path, re.Pattern[str]] = {}
        for pattern, names in LAYOUT.items():
            for folder in [self.run] if pattern == "." else sorted(self.run.glob(pattern)):
                if folder.is_dir() and not link_on_way(self.run, folder / MANIFEST):
                    found.setdefault(folder, re.compile(names))
        return found

    def own_files(self) -> list[Path]:
        """Return all paths with the name and place of a file of a run."""
        return [
            path
            for folder, names in self.own_folders().items()
            for path in sorted(folder.iterdir())
            if names.fullmatch(path.name)
        ]

    def manifest_folders(self) -> list[Path]:
        """Return the run and its folders of cells and pre-trainings, each of which has a manifest."""
        return [folder for folder in self.own_folders() if manifest_folder(self.run, folder / MANIFEST) == folder]

    def baseline_folds(self, name: str, protocol: Protocol, count: int) -> list[Path]:
        """Return the paths of folds 1 to `count` of a baseline on pixels; protocols with the same folds share them."""
        folder = self.run / "baselines" / f"{name}-{protocol.switches.fold_order}-{protocol.settings.folds}"
        return [folder / f"fold-{number}.npz" for number in range(1, count + 1)]

    def stored_seeds(self) -> range:
        """Return the seeds of which the run stores anything, complete or not."""
        found = [re.search(r"-seed(\d+)$", path.name) for path in self.run.glob("cells/*/*")]
        found += [re.search(r"-seed(\d+)-[0-9a-f]{8}$", path.name) for path in self.run.glob("models/*")]
        return range(max((int(match[1]) + 1 for match in found if match), default=0))


@dataclass(frozen=True)
class CellFiles:
    """The files of one cell; those below `model` are shared by all cells with the same pre-training."""

    run: Path
    cell: Cell

    @property
    def folder(self) -> Path:
        return self.run / "cells" / self.cell.name

    @property
    def provenance(self) -> Path:
        return self.folder / "provenance.json"

    @property
    def failed(self) -> Path:
        return self.folder / "failed.json"

    @property
    def model(self) -> Path:
        """Folder of the pre-training."""
        cell, length, settings = self.cell, self.cell.length, self.cell.protocol.settings
        content = {
            "model": [cell.model.encoder, cell.model.objective, cell.model.sigma],
            "seed": cell.seed,
            "length": [length.epochs, length.batch_size],
            "settings": [cell.recipe.learning_rate, settings.validation_fraction, settings.pretrain_clip_norm],
            "switches": self._switches(_PRETRAIN if cell.model.sigma is None else (*_KERNEL, *_PRETRAIN)),
        }
        if cell.unlabeled != "all":  # a key only here, so that all others keep their addresses
            content["unlabeled"] = cell.unlabeled
        if cell.budget:
            content["budget"] = [length.steps, length.seconds]
        # Keys only where they are needed, so that other models keep their addresses.
        if cell.model.of_optimizer:
            content["optimizer"] = cell.model.of_optimizer
        if not OBJECTIVES[cell.model.objective].kind.crops and cell.protocol.switches.pretrain_augmentation != "none":
            content["crops"] = False
        return self.run / "models" / f"{cell.pretraining_id}-{_digest(content)}"

    @property
    def state(self) -> Path:
        return self.model / "state.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.model / "checkpoint.safetensors"

    @property
    def pretraining(self) -> Path:
        """Metrics, length, seconds and the checkpoint's SHA-256; exists once the pre-training is complete."""
        return self.model / "pretrain.json"

    @property
    def curves(self) -> Path:
        return self.model / "curves.csv"

    @property
    def reconstructions(self) -> Path:
        return self.model / "reconstructions.npz"

    @property
    def summary(self) -> Path:
        return self.model / "portrait.npz"

    def epoch_features(self, epoch: int) -> Path:
        """Return the path of the features after an epoch, counted from 0."""
        return self.model / EPOCHS / f"epoch-{epoch}.npz"

    def weights_after(self, epochs: int) -> Path:
        """Return the path of the best network of the first so many epochs."""
        return self.model / EPOCHS / f"weights-{epochs}.safetensors"

    def stored_epochs(self) -> list[int]:
        """Return the epochs, from 0, whose features are stored."""
        return sorted(int(path.stem.removeprefix("epoch-")) for path in self.model.glob(f"{EPOCHS}/epoch-*.npz"))

    def evaluation(self, evaluation: str) -> Path:
        """Return the folder of an evaluation of the pre-training."""
        settings = vars(self.cell.protocol.settings)
        content = {
            "settings": {name: value for name, value in settings.items() if not name.startswith("pretrain_")},
            "switches": self._switches(row_of(evaluation).switches),
        }
        return self.model / f"{evaluation}-{_digest(content)}"

    def fold(self, evaluation: str, number: int) -> Path:
        """Return the path of a fold's predictions; folds count from 1."""
        return self.evaluation(evaluation) / f"fold-{number}.npz"

    def folds(self, evaluation: str) -> list[Path]:
        """Return the paths of the predictions of all the cell's folds, stored or not."""
        folder = self.evaluation(evaluation)
        return [folder / f"fold-{number}.npz" for number in range(1, self.cell.folds + 1)]

    def stored_folds(self, evaluation: str) -> list[Path]:
        """Return the paths of the stored folds, including any beyond the cell's own number."""
        return sorted(self.evaluation(evaluation).glob("fold-*.npz"))

    def measures(self, evaluation: str) -> Path:
        """Return the path of the metrics of an evaluation without folds."""
        return self.evaluation(evaluation) / "measures.json"

    @property
    def cluster_embedding(self) -> Path:
        return self.evaluation("cluster") / "embedding.npz"

    @property
    def cluster_curve(self) -> Path:
        return self.evaluation("cluster") / "curve.csv"

    def _switches(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self.cell.protocol.switches, name) for name in names}


def link_on_way(run: Path, path: Path) -> Path | None:
    """Return the first folder between the run and a path in it that is a link; None if there is none."""
    folders = (run / folder for folder in reversed(path.relative_to(run).parents) if folder.name)
    return next((folder for folder in folders if folder.is_symlink()), None)


def may_be_left_out(run: Path, name: str) -> bool:
    """Return True if a file of the run, by its path in it, may be missing in a run unpacked from an archive."""
    return bool((run / SUMS).is_file() and (NOT_ARCHIVED.fullmatch(name) or WEIGHTS.fullmatch(name)))


def manifest_folder(run: Path, path: Path) -> Path:
    """Return the folder whose manifest lists a file: its pre-training's, its cell's, or the run."""
    parts = path.relative_to(run).parts
    depth = {"models": 2, "cells": 3}.get(parts[0], 0)
    return run.joinpath(*parts[:depth]) if len(parts) > depth else run


def archive_contents(weights: bool) -> list[tuple[str, str]]:
    """List the files of an archive: pairs of a pattern and a description for the reader."""
    return [
        ("comparison.md, .json", "every number next to the expected one, and the claims"),
        ("results.csv", "every number: one a row, with its protocol, model, seed, evaluation and fold"),
        ("report.html, report.md", "the same as a report, with figures/ (if a report was written)"),
        ("run.json", "the study, the protocols with their switches, the images' MD5s, device and precision"),
        ("cells/", "versions, commit, machine, images and seconds of each model (provenance.json)"),
        ("models/*/curves.csv", "losses of a pre-training by epoch; its summary is pretrain.json"),
        ("models/*/*/fold-K.npz", "a classifier's probabilities (N, 10) on the test images, and their labels"),
        ("models/*/cluster-*/*", "clusterings: their measures, the embedding, the curve over epochs"),
        ("models/*/zero-shot-*/*", "what the text tower alone gets right: measures.json"),
        ("models/*/portrait.npz", "latents of some test images, their embedding, the first layer's filters"),
        ("models/*/reconstructions.npz", "a few test images and the autoencoder's reconstructions of them"),
        *([("models/*/*.safetensors", "the autoencoders' weights")] if weights else []),
        ("SHA256SUMS", "checksums of all other files; check them with: sha256sum -c SHA256SUMS"),
    ]


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
