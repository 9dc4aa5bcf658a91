"""Estimated duration of evaluations: numbers of images and steps, times a machine's seconds for each."""

from collections.abc import Mapping
from dataclasses import dataclass

from pse_repro.config.protocol import Protocol

WHOLE_PASS = 3.0  # cost of a training step in forward passes: backward costs about two


@dataclass(frozen=True)
class Costs:
    """Seconds on a machine, per image and pass, or per optimizer step."""

    train: float  # image: autoencoder, forward and backward
    forward: float  # image: autoencoder, without gradients
    encode: float  # image: encoder, without gradients
    small: float  # image: switch 4's augmentation
    high: float  # image: switch 10's augmentation
    step: float  # step: clipping and Adam over the autoencoder
    classify: float  # step: the classifier's forward, backward and Adam, for one batch of features


@dataclass(frozen=True)
class Work:
    """Work of one evaluation of one encoder: protocol, number of folds, image count of each split, costs."""

    protocol: Protocol
    folds: int
    images: Mapping[str, int]
    costs: Costs

    @property
    def augment(self) -> float:
        """Seconds for the augmentation of one image, under switch 10."""
        return 0.0 if self.protocol.switches.downstream_augmentation == "none" else self.costs.high

    @property
    def features(self) -> float:
        """Seconds for the features of all labelled images, once."""
        return (self.images["train"] + self.images["test"]) * self.costs.encode
