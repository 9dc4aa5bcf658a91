"""The study's two evaluations of an encoder, over the folds: `finetune` and `frozen`.

Source: slides "Downstream", tables "Fine-Tuning" and "Freeze Encoders"; switches 7 to 12.
Shapes: N images, D latent values, labels 0..9.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pse_repro.data.augment.steps import Augmentation, downstream_augmentation
from pse_repro.data.batches import Images, batches, to_device
from pse_repro.data.folds import folds
from pse_repro.evaluation.base import AfterEpoch, FoldEvaluation, FoldResult, Setup
from pse_repro.evaluation.cost import WHOLE_PASS, Work
from pse_repro.evaluation.encoders import StatisticsOnly, assert_unchanged, per_image_normalisation
from pse_repro.evaluation.fold_statistics import FoldStatistics
from pse_repro.models import ENCODERS, build_classifier
from pse_repro.seeding import generator, seeded
from pse_repro.training.classifier import FitResult, Task, fit, predict
from pse_repro.training.folds_jointly import NoEncoder, fit_together

TYPICAL_EPOCHS = 160  # of a fold's classifier: the released logs' best epochs are near 110, and 50 more follow
Tested = tuple[int, Tensor, FitResult]  # a fold's number, its probabilities on the test set, its training history


class Batches:
    """One fold's training batches, reshuffled each epoch and augmented, and its validation batches."""

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
        for chosen, labels in self._batches(self.train_set, generator(self.name, "shuffle", epoch)):
            yield (chosen if self.augment is None else self.augment(chosen)), labels

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._batches(self.validation_set)

    def _batches(
        self, examples: tuple[Images | Tensor, Tensor], generator: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        inputs, labels = examples
        place = inputs.place if isinstance(inputs, Images) else inputs.device
        for positions in batches(len(labels), self.size, generator, device=place):
            yield inputs[positions], labels[to_device(positions, labels.device)]


class Downstream(FoldEvaluation):
    """Classifiers trained with the encoder on images or, if `frozen`, on its features, computed once."""

    def __init__(self, setup: Setup, frozen: bool) -> None:
        super().__init__(setup)
        self.frozen = frozen
        settings, switches = self.protocol.settings, self.protocol.switches
        self.max_epochs = settings.downstream_max_epochs  # early stopping may end training before
        self.folds = folds(self.data.train.stored_labels, settings.folds, switches.fold_order)
        self.test_images = Images(self.data.test, self.machine.device)

    @classmethod
    def seconds(cls, work: Work, frozen: bool = False, **options: Any) -> float:
        settings, encode = work.protocol.settings, work.costs.encode
        held_out = work.images["train"] / settings.folds
        trained = work.images["train"] - held_out
        epochs = min(TYPICAL_EPOCHS, settings.downstream_max_epochs)
        classify = trained / settings.batch_size * work.costs.classify
        if frozen:
            features = trained * (work.augment + encode) + held_out * encode
            # the test set's features are computed once, for all folds
            return work.folds * (features + epochs * classify) + work.images["test"] * encode
        whole = work.protocol.switches.finetuning == "whole-encoder"
        epoch = trained * (work.augment + encode * (WHOLE_PASS if whole else 1.0)) + held_out * encode + classify
        return work.folds * (epochs * epoch + work.images["test"] * encode)

    def run(
        self, numbers: Sequence[int], new_encoder: Callable[[], nn.Module], after_epoch: AfterEpoch
    ) -> Iterator[tuple[int, FoldResult]]:
        """Yield the folds `numbers`, trained one after another.

        With `Machine.joint_folds`, those whose encoder's weights stay as they are share it and are trained jointly; the
        results are the same, up to rounding.
        """
        if self.machine.joint_folds and not self._trains_encoder:
            train = self._frozen_jointly if self.frozen else self._fine_tuned_jointly
            yield from _sharing_seconds(train(numbers, new_encoder(), after_epoch), len(numbers))
        elif self.frozen:
            yield from self._frozen(numbers, new_encoder(), after_epoch)
        else:
            for number in numbers:
                yield number, self._fine_tuned(number, new_encoder(), after_epoch)

    @property
    def _trains_encoder(self) -> bool:
        return not self.frozen and self.protocol.switches.finetuning == "whole-encoder"

    def _fine_tuned(self, number: int, encoder: nn.Module, after_epoch: AfterEpoch) -> FoldResult:
        since = time.monotonic()
        task = self._image_task(number, after_epoch)
        if self._trains_encoder:
            model: nn.Module = nn.Sequential(encoder, task.classifier)
            fitted = self._fit(model, task)
        else:
            model = StatisticsOnly(encoder, task.classifier)
            with assert_unchanged(self.name, encoder, buffers=False):
                fitted = self._fit(model, task)
        return FoldResult(self._predict(model).numpy(), fitted, time.monotonic() - since)

    def _frozen(
        self, numbers: Sequence[int], encoder: nn.Module, after_epoch: AfterEpoch
    ) -> Iterator[tuple[int, FoldResult]]:
        since = time.monotonic()
        with assert_unchanged(self.name, encoder) as check:
            test_ND = self.features(encoder, self.test_images)
            shared = (time.monotonic() - since) / len(numbers)
            for number in numbers:
                since = time.monotonic()
                task = self._feature_task(number, encoder, after_epoch)
                check()
                fitted = self._fit(task.classifier, task)
                probabilities_NK = predict(task.classifier, test_ND.split(self.size), self.machine)
                yield number, FoldResult(probabilities_NK.numpy(), fitted, shared + time.monotonic() - since)

    def _fit(self, model: nn.Module, task: Task) -> FitResult:
        return fit(task.name, model, task.data, self.protocol, self.machine, task.after_epoch)

    def _frozen_jointly(self, numbers: Sequence[int], encoder: nn.Module, after_epoch: AfterEpoch) -> Iterator[Tested]:
        with assert_unchanged(self.name, encoder):
            test_ND = self.features(encoder, self.test_images)
            tasks = [self._feature_task(number, encoder, after_epoch) for number in numbers]
        for trained in fit_together(tasks, NoEncoder(len(tasks)), self.protocol, self.machine):
            classifier = tasks[trained.position].classifier
            probabilities_NK = predict(classifier, test_ND.split(self.size), self.machine)
            yield numbers[trained.position], probabilities_NK, trained.fitted

    def _fine_tuned_jointly(
        self, numbers: Sequence[int], encoder: nn.Module, after_epoch: AfterEpoch
    ) -> Iterator[Tested]:
        tasks = [self._image_task(number, after_epoch) for number in numbers]
        statistics = FoldStatistics(encoder, len(tasks))
        with assert_unchanged(self.name, encoder) as check:
            for trained in fit_together(tasks, statistics, self.protocol, self.machine):
                check()
                drifted = statistics.encoder_with(trained.statistics_S)
                model = nn.Sequential(drifted, tasks[trained.position].classifier)
                yield numbers[trained.position], self._predict(model), trained.fitted

    def _image_task(self, number: int, after_epoch: AfterEpoch) -> Task:
        augment = downstream_augmentation(self.protocol.switches.downstream_augmentation)
        data = Batches(self._fold_name(number), *self._fold_images(number), self.size, augment)
        return self._task(number, data, after_epoch)

    def _feature_task(self, number: int, encoder: nn.Module, after_epoch: AfterEpoch) -> Task:
        # Training images of a fold are augmented once, without the crop, validation images not at all (switch 8).
        augment = downstream_augmentation(self.protocol.switches.downstream_augmentation, crop=False)
        name = self._fold_name(number)
        (train, train_labels), (validation, validation_labels) = self._fold_images(number)
        with seeded(name, "features"):
            train_ND = self.features(encoder, train, augment)
        validation_ND = self.features(encoder, validation)
        data = Batches(name, (train_ND, train_labels), (validation_ND, validation_labels), self.size)
        return self._task(number, data, after_epoch)

    def _task(self, number: int, data: Batches, after_epoch: AfterEpoch) -> Task:
        name = self._fold_name(number)
        with seeded(name, "initialisation"):
            classifier = build_classifier(self.protocol.switches.classifier, ENCODERS[self.encoder_name].latent_size)
        return Task(name, classifier.to(self.machine.device), data, partial(after_epoch, number))

    def _fold_name(self, number: int) -> str:
        return f"{self.name}/fold {number}"

    def _predict(self, model: nn.Module) -> Tensor:
        images = self.test_images
        inputs = (images[positions] for positions in batches(len(images), self.size, device=images.place))
        return predict(model, inputs, self.machine)

    @torch.no_grad()
    def features(self, encoder: nn.Module, images: Images, augment: Augmentation | None = None) -> Tensor:
        """Return latents (N, D) in float32 on the device, in the images' order, normalised by switch 8."""
        encoder.eval()
        per_image = self.protocol.switches.frozen_normalisation == "per-image"
        latents = []
        with per_image_normalisation(encoder) if per_image else nullcontext(), self.machine.autocast():
            for positions in batches(len(images), self.size, device=images.place):
                batch = images[positions]
                latents.append(encoder(batch if augment is None else augment(batch)).float())
        return torch.cat(latents)

    def _fold_images(self, number: int) -> tuple[tuple[Images, Tensor], tuple[Images, Tensor]]:
        train, validation = (self._labelled(indices) for indices in self.folds[number - 1])
        return train, validation

    def _labelled(self, indices: np.ndarray) -> tuple[Images, Tensor]:
        split, device = self.data.train, self.machine.device
        return Images(split, device, indices), torch.from_numpy(split.targets[indices]).to(device)


def _sharing_seconds(tested: Iterator[Tested], count: int) -> Iterator[tuple[int, FoldResult]]:
    """Yield the results of `count` folds that are trained jointly, each with its share of the seconds."""
    seconds, since = 0.0, time.monotonic()
    for done, (number, probabilities_NK, fitted) in enumerate(tested):
        seconds += (time.monotonic() - since) / (count - done)
        yield number, FoldResult(probabilities_NK.numpy(), fitted, seconds)
        since = time.monotonic()
