"""The study's two evaluations of an encoder, over the folds: `finetune` and `frozen`.

Source: slides "Downstream", tables "Fine-Tuning" and "Freeze Encoders"; switches 7 to 12.
Shapes: N images, D latent values, labels 0..9 (the files' 1..10 less one).
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pse_repro.config import Protocol
from pse_repro.data.augment import Augmentation, downstream_augmentation
from pse_repro.data.batches import Images, batches
from pse_repro.data.folds import as_text, folds
from pse_repro.data.stl10 import Dataset
from pse_repro.device import Machine
from pse_repro.evaluation.encoders import held_still, per_image_normalisation
from pse_repro.models import LATENT_SIZES, build_classifier
from pse_repro.seeding import generator, seeded
from pse_repro.training.classifier import Fitted, fit, predict


@dataclass(frozen=True)
class FoldResult:
    """One fold's classifier on the test set: probabilities (N, 10) in test_X's order, and how it was trained."""

    probabilities_NK: np.ndarray
    fitted: Fitted


@dataclass(frozen=True)
class Job:
    """What one fold starts from: its name (for its randomness), its number from 1, a fresh encoder and classifier."""

    name: str
    number: int
    encoder: nn.Module
    classifier: nn.Module
    after_epoch: Callable[[int, float], None]  # told the epoch and its validation loss


class FineTuned(nn.Module):
    """Encoder and classifier. Switch 7: "statistics-only" runs the encoder without gradients, as released."""

    def __init__(self, encoder: nn.Module, classifier: nn.Module, finetuning: str) -> None:
        super().__init__()
        self.encoder, self.classifier = encoder, classifier
        self.trains_encoder = finetuning == "whole-encoder"

    def forward(self, images_NCHW: Tensor) -> Tensor:
        with nullcontext() if self.trains_encoder else torch.no_grad():
            latent_ND = self.encoder(images_NCHW)
        logits: Tensor = self.classifier(latent_ND)
        return logits


class Batches:
    """Training batches, shuffled anew each epoch and augmented, and validation batches of one fold."""

    def __init__(
        self,
        name: str,
        train: tuple[Images | Tensor, Tensor],
        validation: tuple[Images | Tensor, Tensor],
        size: int,
        augment: Augmentation | None = None,
    ) -> None:
        self.name, self.train_set, self.validation_set = name, train, validation
        self.size, self.augment = size, augment

    def train(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        inputs, labels = self.train_set
        for positions in batches(len(labels), self.size, generator(self.name, "shuffle", epoch)):
            chosen = inputs[positions]
            yield (chosen if self.augment is None else self.augment(chosen)), labels[positions]

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        inputs, labels = self.validation_set
        for positions in batches(len(labels), self.size):
            yield inputs[positions], labels[positions]


class Downstream:
    """One evaluation of one pre-trained encoder; `fold` trains and tests the classifier of one fold."""

    def __init__(
        self, name: str, evaluation: str, encoder_name: str, protocol: Protocol, data: Dataset, machine: Machine
    ) -> None:
        assert data.train.labels is not None  # both are labelled splits
        assert data.test.labels is not None
        self.name, self.evaluation, self.encoder_name = name, evaluation, encoder_name
        self.protocol, self.data, self.machine = protocol, data, machine
        self.size = protocol.settings.batch_size
        self.folds = folds(data.train.labels, protocol.settings.folds, protocol.switches.fold_order)
        self.train_labels = torch.from_numpy(data.train.labels).long().to(machine.device) - 1
        self.test_order = as_text(data.test.labels)
        self.test_images = Images(data.test, machine.device)
        self._test_ND: Tensor | None = None  # frozen features of the test set: the same for every fold

    def fold(
        self, number: int, new_encoder: Callable[[], nn.Module], after_epoch: Callable[[int, float], None]
    ) -> FoldResult:
        """Fold `number` (from 1), starting from the pre-trained weights and buffers that `new_encoder` gives."""
        name = f"{self.name}/{self.evaluation}/fold {number}"
        with seeded(name, "initialisation"):
            classifier = build_classifier(self.protocol.switches.classifier, LATENT_SIZES[self.encoder_name])
        job = Job(name, number, new_encoder(), classifier.to(self.machine.device), after_epoch)
        probabilities_NK, fitted = self._finetune(job) if self.evaluation == "finetune" else self._frozen(job)
        return FoldResult(probabilities_NK.numpy(), fitted)

    def _finetune(self, job: Job) -> tuple[Tensor, Fitted]:
        switches = self.protocol.switches
        train, validation = self._fold_images(job.number)
        augment = downstream_augmentation(switches.downstream_augmentation)
        data = Batches(job.name, train, validation, self.size, augment)
        model = FineTuned(job.encoder, job.classifier, switches.finetuning)
        still = nullcontext() if model.trains_encoder else held_still(job.name, job.encoder, buffers=False)
        with still:
            fitted = fit(job.name, model, data, self.protocol, self.machine, job.after_epoch)
        return predict(model, self._test_batches(), self.machine), fitted

    def _frozen(self, job: Job) -> tuple[Tensor, Fitted]:
        encoder = job.encoder.eval()
        # One draw of the augmentation, without its crop, for a fold's training images; none for validation (switch 8).
        augment = downstream_augmentation(self.protocol.switches.downstream_augmentation, crop=False)
        (train, train_labels), (validation, validation_labels) = self._fold_images(job.number)
        with held_still(job.name, encoder):
            with seeded(job.name, "features"):
                train_ND = self.features(encoder, train, augment)
            validation_ND = self.features(encoder, validation)
            if self._test_ND is None:
                self._test_ND = self.features(encoder, self.test_images)
            data = Batches(job.name, (train_ND, train_labels), (validation_ND, validation_labels), self.size)
            fitted = fit(job.name, job.classifier, data, self.protocol, self.machine, job.after_epoch)
        return predict(job.classifier, self._test_ND.split(self.size), self.machine), fitted

    @torch.no_grad()
    def features(self, encoder: nn.Module, images: Images, augment: Augmentation | None = None) -> Tensor:
        """Latents (N, D) in float32 on the device, in the images' order; normalised as switch 8 says."""
        per_image = self.protocol.switches.frozen_normalisation == "per-image"
        latents = []
        with per_image_normalisation(encoder) if per_image else nullcontext(), self.machine.autocast():
            for positions in batches(len(images), self.size):
                batch = images[positions]
                latents.append(encoder(batch if augment is None else augment(batch)).float())
        return torch.cat(latents)

    def _fold_images(self, number: int) -> tuple[tuple[Images, Tensor], tuple[Images, Tensor]]:
        train, validation = self.folds[number - 1]
        device = self.machine.device
        return (
            (Images(self.data.train, device, train), self.train_labels[torch.from_numpy(train).to(device)]),
            (Images(self.data.train, device, validation), self.train_labels[torch.from_numpy(validation).to(device)]),
        )

    def _test_batches(self) -> Iterator[Tensor]:
        return (self.test_images[positions] for positions in batches(len(self.test_images), self.size))
