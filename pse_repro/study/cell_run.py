"""One cell, from images to rows of the results table: pre-train, then evaluate; everything done before is taken up."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Dataset
from pse_repro.device import Machine
from pse_repro.errors import NotFitError
from pse_repro.evaluation.downstream import Downstream, FoldResult
from pse_repro.evaluation.scores import ensemble, scores
from pse_repro.files import write_bytes
from pse_repro.models import Autoencoder, build_autoencoder
from pse_repro.progress import Progress
from pse_repro.study import store
from pse_repro.study.address import cell_folder, evaluation_folder, model_folder
from pse_repro.study.cells import Cell
from pse_repro.study.provenance import provenance
from pse_repro.training.pretrain import Pretraining, State, optimizer_tensors, restore_optimizer

SAVE_SHARE = 0.05  # of the time that saving the state of a pre-training may take
SHOWN_IMAGES = 8  # test images whose reconstructions are kept for the report


class CellRun:
    """The work of one cell in its folder."""

    def __init__(self, cell: Cell, data: Dataset, machine: Machine, run_directory: Path, progress: Progress) -> None:
        self.cell, self.data, self.machine, self.progress = cell, data, machine, progress
        self.directory = run_directory
        self.folder = cell_folder(run_directory, cell)
        self.model_folder = model_folder(run_directory, cell)

    def run(self, evaluations: tuple[str, ...] | None = None) -> pd.DataFrame:
        """The cell's rows (key columns and value); CellError when the cell cannot go on.

        `evaluations` limits what is judged now (None: all); others are taken up where they are complete.
        """
        rows = self.pretrain()
        for evaluation in self.cell.evaluations:
            if evaluations is None or evaluation in evaluations or self._complete(evaluation):
                rows += self.evaluate(evaluation)
        self._record()
        (self.folder / "failed.json").unlink(missing_ok=True)
        return pd.DataFrame([self.cell.key | row for row in rows])

    def pretrain(self) -> list[dict[str, Any]]:
        """Pre-train, or take up what is there; rows of evaluation "pretrain"."""
        if not (self.model_folder / "pretrain.json").exists():
            images = Images(self.data.unlabeled, self.machine.device)
            cell, name = self.cell, self.cell.lineage
            training = Pretraining(name, cell.model, cell.protocol, cell.epochs, cell.seed, images, self.machine)
            self._take_up(training)
            self._train(training)
            self._finish(training)
        summary = store.read_json(self.model_folder / "pretrain.json")["metrics"]
        return [
            {"evaluation": "pretrain", "fold": "", "metric": metric, "value": value}
            for metric, value in summary.items()
        ]

    def _take_up(self, training: Pretraining) -> None:
        path = self.model_folder / "state.safetensors"
        if not path.exists():
            return
        tensors, note = store.read_tensors(path)
        state = training.state
        try:
            state.autoencoder.load_state_dict(_with_prefix(tensors, "model/"))
            restore_optimizer(state.optimizer, _with_prefix(tensors, "optimizer/"))
            state.best = {name: value.to(self.machine.device) for name, value in _with_prefix(tensors, "best/").items()}
            state.best_epoch, state.curves = note["best_epoch"], note["curves"]
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise NotFitError(
                f"{path} is not a state of this cell; delete it to begin its pre-training anew"
            ) from error
        self.progress.say(
            f"{self.cell.name}: pre-training goes on from epoch {state.epoch} of {training.length.epochs}"
        )

    def _train(self, training: Pretraining) -> None:
        saved_at, save_seconds = time.monotonic(), 0.0

        def after_epoch(state: State) -> None:
            nonlocal saved_at, save_seconds
            row = state.curves[-1]
            stage.note(f"epoch {state.epoch}/{training.length.epochs}, validation {row['validation_loss']:.5f}")
            if (time.monotonic() - saved_at) * SAVE_SHARE > save_seconds:
                started = time.monotonic()
                self._save(state)
                saved_at = time.monotonic()
                save_seconds = saved_at - started

        remaining = training.length.epochs - training.state.epoch
        with self.progress.stage(f"{self.cell.name} pre-train", remaining * training.images_per_epoch) as stage:
            training.run(after_epoch, stage.advance)

    def _save(self, state: State) -> None:
        tensors = {f"model/{name}": value for name, value in state.autoencoder.state_dict().items()}
        tensors |= {f"optimizer/{name}": value for name, value in optimizer_tensors(state.optimizer).items()}
        tensors |= {f"best/{name}": value for name, value in state.best.items()}
        store.write_tensors(
            self.model_folder / "state.safetensors", tensors, {"best_epoch": state.best_epoch, "curves": state.curves}
        )

    def _finish(self, training: Pretraining) -> None:
        """Keep the best checkpoint, curves, reconstructions and metrics; the state is not needed any more."""
        state = training.state
        state.autoencoder.load_state_dict(state.best)
        best = state.curves[state.best_epoch]
        features, reconstructions = self._features_and_reconstructions(state.autoencoder)
        first = {} if "train_loss" not in best else {"first_train_loss": state.curves[0]["train_loss"]}
        metrics = first | {
            "validation_loss": best["validation_loss"],
            "validation_mse": best["validation_mse"],
            "best_epoch": state.best_epoch,
            "feature_mean": float(features.mean()),
            "feature_std": float(features.std()),
        }
        sha256 = store.write_tensors(self.model_folder / "checkpoint.safetensors", state.best)
        write_bytes(self.model_folder / "curves.csv", pd.DataFrame(state.curves).to_csv(index=False).encode())
        store.write_npz(self.model_folder / "reconstructions.npz", **reconstructions)
        length = {"epochs": training.length.epochs, "batch_size": training.length.batch_size}
        record = {
            "metrics": metrics,
            "checkpoint_sha256": sha256,
            "length": length,
            "seconds": sum(row["seconds"] for row in state.curves),
        }
        store.write_json(self.model_folder / "pretrain.json", record)
        (self.model_folder / "state.safetensors").unlink(missing_ok=True)

    @torch.no_grad()
    def _features_and_reconstructions(self, autoencoder: Autoencoder) -> tuple[Tensor, dict[str, np.ndarray]]:
        """Latents and reconstructions of a few test images, evenly spaced, in evaluation mode."""
        shown = self.data.test.evenly(SHOWN_IMAGES)
        images = Images(shown, self.machine.device)[torch.arange(len(shown))]
        with self.machine.autocast():
            latent_ND, reconstruction = autoencoder.eval()(images)
        arrays = {"images": images, "reconstructions": reconstruction.float()}
        return latent_ND.float(), {name: value.cpu().numpy().astype(np.float16) for name, value in arrays.items()}

    def encoder(self) -> nn.Module:
        """The pre-trained encoder, as its checkpoint has it; NotFitError where the checkpoint was altered."""
        record = store.read_json(self.model_folder / "pretrain.json")
        tensors, _ = store.read_tensors(self.model_folder / "checkpoint.safetensors", record["checkpoint_sha256"])
        autoencoder = build_autoencoder(self.cell.model.encoder)
        autoencoder.load_state_dict(tensors)
        return autoencoder.encoder.to(self.machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def evaluate(self, evaluation: str) -> list[dict[str, Any]]:
        """One evaluation over the folds; rows of top1, top2, top4, loss and best_epoch a fold, and of the ensemble."""
        downstream = Downstream(
            self.cell.lineage, evaluation, self.cell.model.encoder, self.cell.protocol, self.data, self.machine
        )
        labels = np.asarray(self.data.test.labels, np.int64) - 1
        by_batches = self.cell.protocol.switches.test_score == "batch-means"
        order = downstream.test_order if by_batches else None
        self._folds(downstream, evaluation)
        probabilities, rows = [], []
        for number in range(1, self.cell.folds + 1):
            fold = store.read_npz(self._fold_path(evaluation, number))
            probabilities.append(fold["probabilities"])
            values = scores(fold["probabilities"], labels, order, downstream.size) | {
                "best_epoch": float(fold["best_epoch"])
            }
            rows += [{"fold": str(number), "metric": metric, "value": value} for metric, value in values.items()]
        together = scores(ensemble(probabilities), labels)
        rows += [{"fold": "ensemble", "metric": metric, "value": value} for metric, value in together.items()]
        return [{"evaluation": evaluation} | row for row in rows]

    def _complete(self, evaluation: str) -> bool:
        return not self._missing(evaluation)

    def _missing(self, evaluation: str) -> list[int]:
        numbers = range(1, self.cell.folds + 1)
        return [number for number in numbers if not self._fold_path(evaluation, number).exists()]

    def _fold_path(self, evaluation: str, number: int) -> Path:
        return evaluation_folder(self.directory, self.cell, evaluation) / f"fold-{number}.npz"

    def _folds(self, downstream: Downstream, evaluation: str) -> None:
        """Train and test the folds that are missing; each is kept as soon as it is done."""
        missing = self._missing(evaluation)
        if not missing:
            return
        per_epoch = len(self.data.train)  # a fold's training and validation images (or their features)
        # early stopping may end it before
        total = len(missing) * per_epoch * self.cell.protocol.settings.downstream_max_epochs
        which = f"fold {missing[0]}" if len(missing) == 1 else f"{len(missing)} folds"
        with self.progress.stage(f"{self.cell.name} {evaluation}, {which}", total) as stage:

            def after_epoch(number: int, epoch: int, loss: float) -> None:
                stage.advance(per_epoch)
                stage.note(f"fold {number}, epoch {epoch + 1}, validation {loss:.4f}")

            for number, result in downstream.run(missing, self.encoder, after_epoch):
                store.write_npz(self._fold_path(evaluation, number), **_arrays(result, self.data, result.seconds))

    def _record(self) -> None:
        """Provenance: where the cell's work lies, and the seconds that went into each part, also over several goes."""
        seconds = {"pretrain": store.read_json(self.model_folder / "pretrain.json")["seconds"]}
        folders = {name: evaluation_folder(self.directory, self.cell, name) for name in self.cell.evaluations}
        for evaluation, folder in folders.items():
            for path in sorted(folder.glob("fold-*.npz")):
                seconds[f"{evaluation}/{path.stem}"] = float(store.read_npz(path)["seconds"])
        record = provenance(self.data, self.machine) | {
            "cell": self.cell.name,
            "seed": self.cell.seed,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "seconds": seconds,
            "folders": {
                name: str(folder.relative_to(self.directory))
                for name, folder in ({"pretrain": self.model_folder} | folders).items()
            },
            "peak_memory_bytes": self.machine.peak_memory_bytes(),
        }
        store.write_json(self.folder / "provenance.json", record)


def _arrays(result: FoldResult, data: Dataset, seconds: float) -> dict[str, np.ndarray]:
    return {
        "probabilities": result.probabilities_NK,
        "labels": np.asarray(data.test.labels),
        "train_losses": np.array(result.fitted.train_losses),
        "validation_losses": np.array(result.fitted.validation_losses),
        "best_epoch": np.array(result.fitted.best_epoch),
        "seconds": np.array(seconds),
    }


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
