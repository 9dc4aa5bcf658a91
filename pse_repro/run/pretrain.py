"""Pre-training of one cell, resumed from its last saved state; provides the encoder for the evaluations."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from pse_repro.data.batches import Images
from pse_repro.errors import NotFitError
from pse_repro.evaluation.on_features import features
from pse_repro.evaluation.registry import epochs_of, row_of
from pse_repro.machine.energy import EnergyMeter
from pse_repro.models import encoder_of
from pse_repro.objectives import OBJECTIVES, Objective
from pse_repro.progress.facts import Epoch
from pse_repro.run.context import RunContext
from pse_repro.run.model_summary import write_summary
from pse_repro.study import store
from pse_repro.study.address import EPOCHS, SHOWN_IMAGES
from pse_repro.study.cells import Cell
from pse_repro.study.faults import Fault, set_aside
from pse_repro.study.manifest import recorded_file
from pse_repro.study.records import Trained
from pse_repro.training.pretrain import Pretraining, build_objective
from pse_repro.training.state import State

SAVE_SHARE = 0.05  # of the time may be spent on saving the state of a pre-training
SAVE_SECONDS = 60.0  # between two saves within an epoch: what a kill may cost; machines lent out are kept for longer
_NO_METRICS = ("epoch", "steps", "train_loss", "validation_loss")
EPOCH_POINTS = 500  # evenly spaced test images whose features are stored after every epoch, if they are to be clustered


class PretrainRun:
    """A cell's pre-training."""

    def __init__(self, cell: Cell, context: RunContext) -> None:
        self.cell, self.context, self.files = cell, context, context.files(cell)
        self.data, self.machine, self.progress = context.data, context.machine, context.progress
        self.energy = EnergyMeter()

    def complete(self) -> None:
        """Pre-train or resume, unless already complete."""
        if not self.files.pretraining.exists():
            training = Pretraining(self.cell.recipe, self.data, self.machine)
            self._resume(training)
            self._train(training)
            self._finish(training)
        elif not self.files.summary.exists() or (self._reconstructs and not self.files.reconstructions.exists()):
            network = self.trained()[1].eval()  # after a repair
            self._latent_metrics(network)
            write_summary(self.files, encoder_of(network), self.data, self.machine)

    @property
    def _reconstructs(self) -> bool:
        return OBJECTIVES[self.cell.model.objective].kind.reconstructs

    def _resume(self, training: Pretraining) -> None:
        """Load the last saved state, if there is one."""
        path = self.files.state
        if not path.exists():
            return
        tensors, note = store.read_tensors(path)
        state = training.state
        try:
            state.restore(tensors, note, self.machine.device)
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise NotFitError(f"{path} is not a state of this cell; delete it to restart its pre-training") from error
        within = f" and {state.partial.steps} steps" if state.partial else ""
        self.progress.say(
            f"{self.cell.name}: pre-training resumed after epoch {state.epoch} of {training.length.epochs}{within}"
        )

    def _train(self, training: Pretraining) -> None:
        saves = _Saves()
        clusters = any(row_of(evaluation).clusters for evaluation in self.cell.evaluations)
        stores_features = training.objective.reconstructs and clusters
        kept = {epochs_of(evaluation) for evaluation in self.cell.evaluations}

        def save() -> None:
            with saves.timed():
                self._save(training.state)

        def after_epoch(state: State) -> None:
            stage.measure(_measured(state.epoch - 1, state.curves[-1]))
            self.energy.joules()  # its counters wrap within minutes and must be read in between
            if stores_features:
                self._store_features(state)
            if state.epoch in kept:
                store.write_tensors(self.files.weights_after(state.epoch), state.best)
            if saves.due():
                save()

        def after_batch(images: int) -> None:
            stage.advance(images)
            if saves.due(SAVE_SECONDS):
                self.energy.joules()
                save()

        epochs = training.length.epochs
        with self.progress.stage("pre-train", training.images_left, cell=self.cell.name, epochs=epochs) as stage:
            for epoch, row in enumerate(training.state.curves):  # of an earlier session
                stage.measure(_measured(epoch, row))
            training.run(after_epoch, after_batch)
        if training.captured and training.captured.why_not:
            self.progress.say(f"{self.cell.name}: trained without a CUDA graph: {training.captured.why_not}")

    def _store_features(self, state: State) -> None:
        found = features(encoder_of(state.network), self.data.test.evenly(EPOCH_POINTS), self.machine)
        store.write_npz(self.files.epoch_features(state.epoch - 1), features=found)

    def _save(self, state: State) -> None:
        store.write_tensors(self.files.state, state.tensors(), state.note())

    def _finish(self, training: Pretraining) -> None:
        """Write the checkpoint, curves, reconstructions and metrics; delete the saved state, no longer needed."""
        state = training.state
        state.network.load_state_dict(state.best)
        best = state.curves[state.best_epoch]
        first = {} if "train_loss" not in best else {"first_train_loss": state.curves[0]["train_loss"]}
        measures = {name: value for name, value in best.items() if name.startswith("validation_")}
        latents = self._latent_metrics(state.network.eval())
        metrics = first | measures | {"best_epoch": state.best_epoch} | latents
        before = recorded_file(self.context.directory, self.files.checkpoint).accepted
        sha256 = store.write_tensors(self.files.checkpoint, state.best)
        if before and sha256 not in {content.sha256 for content in before}:
            self._set_evaluations_aside()  # repaired, with other weights than those that were evaluated
        store.write_bytes(self.files.curves, pd.DataFrame(state.curves).to_csv(index=False).encode())
        write_summary(self.files, encoder_of(state.network), self.data, self.machine)
        length = {"epochs": training.length.epochs, "batch_size": training.length.batch_size}
        record = {
            "metrics": metrics,
            "checkpoint_sha256": sha256,
            "length": length | {"steps": int(state.curves[-1]["steps"])},
            "chance": training.objective.chance,
            "seconds": sum(row["seconds"] for row in state.curves),
            "cuda_graph": training.captured is not None and not training.captured.why_not,
        }
        store.write_json(self.files.pretraining, record)
        store.remove(self.files.state)
        training.captured = None  # its memory: it holds the training that holds it

    def _set_evaluations_aside(self) -> None:
        paths = [path for path in self.files.model.glob("*/*") if path.parent.name != EPOCHS]
        names = [path.relative_to(self.context.directory).as_posix() for path in paths]
        set_aside(self.context.directory, [Fault(name, "altered") for name in names])

    @torch.no_grad()
    def _latent_metrics(self, network: nn.Module) -> dict[str, float]:
        """Return mean and standard deviation of a few test images' latents; store their reconstructions, if any."""
        shown = self.data.test.evenly(SHOWN_IMAGES)
        images = Images(shown, self.machine.device)[torch.arange(len(shown))]
        with self.machine.autocast():
            latents_ND = encoder_of(network)(images).float()
            arrays = {"images": images, "reconstructions": network(images)[1].float()} if self._reconstructs else {}
        if arrays:
            stored = {name: value.cpu().numpy().astype(np.float16) for name, value in arrays.items()}
            store.write_npz(self.files.reconstructions, **stored)
        return {"feature_mean": float(latents_ND.mean()), "feature_std": float(latents_ND.std())}

    def encoder(self, epochs: int | None = None) -> nn.Module:
        """Load the pre-trained encoder, or the one that a pre-training of so many `epochs` would have kept.

        NotFitError if its file was altered.
        """
        return encoder_of(self.trained(epochs)[1])

    def trained(self, epochs: int | None = None) -> tuple[Objective[Any], nn.Module]:
        """Load the objective and its trained network, like `encoder`."""
        if epochs is None:
            record = store.read_record(self.files.pretraining, Trained)
            tensors, _ = store.read_tensors(self.files.checkpoint, record.checkpoint_sha256)
        else:
            tensors, _ = store.read_tensors(self.files.weights_after(epochs))
        device = self.machine.device
        objective = build_objective(self.cell.recipe, self.data, device)
        network = objective.network()
        network.load_state_dict(tensors)
        return objective, network.to(device, memory_format=torch.channels_last)


@dataclass
class _Saves:
    """When the state of a pre-training was last saved in this session, and the seconds that it took."""

    last: float = field(default_factory=time.monotonic)
    cost: float = 0.0

    def due(self, seconds: float = 0.0) -> bool:
        """Return whether so many seconds have passed since, and enough for their SAVE_SHARE."""
        return time.monotonic() - self.last >= max(seconds, self.cost / SAVE_SHARE)

    @contextmanager
    def timed(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.last = time.monotonic()
        self.cost = self.last - began


def _measured(epoch: int, row: dict[str, float]) -> Epoch:
    """Convert a row of the curves to an Epoch for progress reports."""
    others = {name: value for name, value in row.items() if name not in _NO_METRICS}
    return Epoch(epoch, row.get("train_loss"), row["validation_loss"], metrics=others)
