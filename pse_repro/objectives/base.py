"""Base class of the objectives, as used by the pre-training loop, and their inputs.

Shapes: N images of a batch, (N, 3, 96, 96) in [0, 1], channels last; D latent values.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from pse_repro.config.protocol import Switches
from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Dataset

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Setup:
    """Inputs of an objective.

    `data` is the whole run's; few objectives use more than its unlabelled images, of which `train_images` are trained
    on; `usable` are the indices of those that may be used for anything, None for all. Random choices made once are
    derived from `name` (`generator(setup.name, ...)`).
    """

    name: str
    encoder: str
    sigma: float | None
    switches: Switches
    data: Dataset
    device: torch.device
    train_images: int
    batch_size: int
    usable: np.ndarray | None = None


@dataclass(frozen=True)
class Batch:
    """Images of one step; training images are augmented by switch 4, cropped only if the objective `crops`.

    `positions` (N,) are the images' indices among the training (or validation) images; `progress` in [0, 1) is the
    completed share of the whole pre-training.
    """

    images: Tensor
    positions: Tensor
    training: bool
    progress: float


class Objective(ABC, Generic[Network]):
    """Networks and loss of a pre-training. The caller seeds PyTorch's global generators before each call."""

    trains: ClassVar[bool] = True  # False if the encoder keeps its initial weights
    keeps: ClassVar[Literal["best", "last"]] = "best"  # kept epoch: of the lowest validation loss, or the last
    reconstructs: ClassVar[bool] = False  # the network is an Autoencoder, whose reconstructions are shown
    captures: ClassVar[bool] = True  # False if `loss` uses `progress` or tensors that `begin_epoch` replaces
    names_classes: ClassVar[bool] = False  # a `TextObjective`, which evaluation zero-shot needs
    crops: ClassVar[bool] = True  # False if the black border of switch 4's crop would help to answer: no crop then
    # "accuracy" of `measures` that guessing evenly reaches, in percent; None without one, or if it is unknown
    chance: float | None = None

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @classmethod
    def check(cls, sigma: float | None, switches: Switches | None = None) -> None:
        """Raise ValueError unless the objective can be built with this sigma (in pixels) and these switches."""
        if sigma is not None:
            raise ValueError(f"sigma is {sigma:g}, but {cls.__name__.lower()} takes none; leave it out")

    @abstractmethod
    def network(self) -> Network:
        """Return a freshly initialised network whose attribute `encoder` is a module (N, 3, 96, 96) -> (N, D).

        Anything trained with the encoder (heads, decoders, discriminators) or needed after resuming (memory banks) is
        another module or buffer of the network.
        """

    @abstractmethod
    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Return a float32 scalar to be minimised over all parameters of the network; called under autocast."""

    def measures(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        """Return a validation batch's scalars for the curves, without gradients: "loss" and any other metrics."""
        return {"loss": self.loss(network, batch)}

    def begin_epoch(
        self, network: Network, optimizer: torch.optim.Optimizer, train: Images, validation: Images
    ) -> None:
        """Prepare an epoch if that needs all images, as clustering does. The network is in training mode."""

    def epoch_tensors(self) -> dict[str, Tensor]:
        """Return what `begin_epoch` has computed, by name, unless it is in the network: saved within the epoch."""
        return {}

    def resume_epoch(self, tensors: dict[str, Tensor], train: Images) -> None:
        """Restore what `epoch_tensors` returned instead of beginning the epoch: the weights have changed since."""


@dataclass(frozen=True)
class Variant:
    """A row of OBJECTIVES: a kind of objective and its options."""

    kind: type[Objective[Any]]
    options: dict[str, Any]

    @classmethod
    def of(cls, kind: type[Objective[Any]], **options: Any) -> "Variant":
        return cls(kind, options)

    @property
    def trains(self) -> bool:
        return self.kind.trains

    def build(self, setup: Setup) -> Objective[Any]:
        """Build the objective; ValueError if the setup's sigma and switches do not allow it."""
        self.kind.check(setup.sigma, setup.switches)
        return self.kind(setup, **self.options)
