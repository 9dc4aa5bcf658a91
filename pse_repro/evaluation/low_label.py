"""Few labels: the whole encoder fine-tuned with 1 %, 10 % or 100 % of the labelled images.

Source: T. Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, 2020, table 7 and
appendix B.5; there 60 epochs of 1 %, 30 of 10 %. Subsets are class-balanced and determined by their number; 1 % is
contained in 10 %. The classifier is one linear layer, trained with the encoder regardless of switch 7. Augmentation
follows switch 10, gradient clipping switch 5.

Too few labels remain for early stopping, so every classifier gets the same number of optimiser steps: 1,000 (as many as
26 epochs of STL-10's 5,000 images), with Adam at the protocol's learning rate, annealed to zero by half a cosine. The
last weights are tested. A batch holds no image twice, so 1 % costs less than 10 %.
Shapes: N test images, labels 0..9 (the files' 1..10 less one).
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from pse_repro.data.augment.steps import downstream_augmentation
from pse_repro.data.batches import Images, batches, to_device
from pse_repro.data.stl10 import CLASSES
from pse_repro.data.subsets import balanced_subset, images_per_class
from pse_repro.errors import CellError
from pse_repro.evaluation.base import AfterEpoch, FoldEvaluation, FoldResult, Setup
from pse_repro.evaluation.cost import WHOLE_PASS, Work
from pse_repro.models import ENCODERS
from pse_repro.seeding import generator, seeded
from pse_repro.training.classifier import FitResult, new_adam, predict, train_epoch, training_step

EPOCHS = 100
EPOCH_STEPS = 10  # per epoch, regardless of the number of labels


class LowLabel(FoldEvaluation):
    """Classifiers on independent subsets of the labels, each from the same pre-trained encoder.

    There are `max_epochs` of ten steps: 100, or the protocol's maximum for downstream training if that is smaller.
    `note` is empty unless the subset is larger than its `fraction`.
    """

    loss = "train_loss"  # there are no validation images

    def __init__(self, setup: Setup, fraction: float) -> None:
        super().__init__(setup)
        self.fraction, self.labels = fraction, self.data.train.stored_labels
        self.max_epochs = min(EPOCHS, self.protocol.settings.downstream_max_epochs)
        self.images_per_epoch = EPOCH_STEPS * min(self.size, len(self.subset(1)))
        self.note = _too_few(len(self.labels), fraction)

    @classmethod
    def seconds(cls, work: Work, fraction: float = 1.0, **options: Any) -> float:
        settings, encode = work.protocol.settings, work.costs.encode
        steps = EPOCH_STEPS * min(EPOCHS, settings.downstream_max_epochs)
        trained = steps * min(settings.batch_size, fraction * work.images["train"])
        return work.folds * (trained * (work.augment + WHOLE_PASS * encode) + work.images["test"] * encode)

    def subset(self, number: int) -> np.ndarray:
        """Return the indices of the labelled images in subset `number`."""
        return balanced_subset(self.labels, self.fraction, number)

    def run(
        self, numbers: Sequence[int], new_encoder: Callable[[], nn.Module], after_epoch: AfterEpoch
    ) -> Iterator[tuple[int, FoldResult]]:
        """Yield each of the subsets `numbers`; CellError for a loss that is not finite."""
        for number in numbers:
            since = time.monotonic()
            with seeded(self._names(number), "initialisation"):
                classifier = nn.Linear(ENCODERS[self.encoder_name].latent_size, CLASSES).to(self.machine.device)
            model = nn.Sequential(new_encoder(), classifier)
            losses = self._train(number, model, after_epoch)
            probabilities_NK = self._predict(model).numpy()
            yield number, FoldResult(probabilities_NK, FitResult(len(losses) - 1, losses, []), time.monotonic() - since)

    def _train(self, number: int, model: nn.Module, after_epoch: AfterEpoch) -> list[float]:
        """Train the model; return its mean training loss in each epoch."""
        optimizer = new_adam(model, self.protocol.settings, self.machine)
        step = training_step(model, optimizer, self.protocol, self.machine)
        schedule = CosineAnnealingLR(optimizer, self.max_epochs)
        endless = self._batches(number)
        losses: list[float] = []
        for epoch in range(self.max_epochs):
            with seeded(self._names(number), "epoch", epoch):
                some = itertools.islice(endless, EPOCH_STEPS)
                losses.append(float(train_epoch(model, some, step)))
            if not math.isfinite(losses[-1]):
                raise CellError(f"{self._names(number)}: loss is {losses[-1]} in epoch {epoch}; this cell stops")
            schedule.step()
            after_epoch(number, epoch, losses[-1])
        return losses

    def _batches(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of augmented images and labels without end, reshuffled each pass, without partial batches."""
        subset, device = self.subset(number), self.machine.device
        images = Images(self.data.train, device, subset)
        labels = torch.from_numpy(self.data.train.targets[subset]).to(device)
        augment = downstream_augmentation(self.protocol.switches.downstream_augmentation)
        size, shuffle = min(self.size, len(subset)), generator(self._names(number), "shuffle")
        while True:
            for positions in batches(len(subset), size, shuffle, drop_last=True, device=images.place):
                chosen = images[positions]
                yield (chosen if augment is None else augment(chosen)), labels[to_device(positions, device)]

    def _names(self, number: int) -> str:
        return f"{self.name}/subset {number}"

    def _predict(self, model: nn.Module) -> Tensor:
        images = Images(self.data.test, self.machine.device)
        inputs = (images[positions] for positions in batches(len(images), self.size, device=images.place))
        return predict(model, inputs, self.machine)


def _too_few(count: int, fraction: float) -> str:
    if count * fraction >= CLASSES:
        return ""
    per_class = images_per_class(count, fraction)
    return (
        f"{100 * fraction:g} % of {count:,} labelled images is less than one per class; "
        f"{per_class} of each class is used, {per_class * CLASSES} in all"
    )
