"""What every objective offers to the pre-training loop; most of it has a default that suits.

Shapes: N images of a batch, (N, 3, 96, 96) in [0, 1], channels last; D latent values.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from pse_repro.config.protocol import Switches
from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Dataset

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Setup:
    """What an objective is built from. `data` is the whole run's: few objectives look at more than its unlabelled part.

    `train_images` is how many of the unlabelled images are trained on; `name` is what random choices that are made
    once are derived from (`generator(setup.name, ...)`).
    """

    name: str
    encoder: str
    sigma: float | None
    switches: Switches
    data: Dataset
    device: torch.device
    train_images: int
    batch_size: int


@dataclass(frozen=True)
class Batch:
    """Images of one step, augmented as switch 4 says where they are trained on.

    `positions` (N,) tell which of the training (or validation) images they are; `progress` in [0, 1) is the share of
    the whole pre-training that lies behind.
    """

    images: Tensor
    positions: Tensor
    training: bool
    progress: float


class Objective(ABC, Generic[Network]):
    """A pre-training: its networks and its loss. PyTorch's global generators are seeded whenever one is called."""

    trains: ClassVar[bool] = True  # False where the encoder stays as it was initialised
    keeps: ClassVar[Literal["best", "last"]] = "best"  # the epoch of the lowest validation loss, or the last one
    reconstructs: ClassVar[bool] = False  # the network is an Autoencoder, whose reconstructions are shown

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @classmethod
    def check(cls, sigma: float | None, switches: Switches | None = None) -> None:
        """ValueError unless the objective can be built with this sigma (in pixels), and under these switches."""
        if sigma is not None:
            raise ValueError(f"sigma is {sigma:g}, but {cls.__name__.lower()} has none; leave it out")

    @abstractmethod
    def network(self) -> Network:
        """Freshly initialised: attribute `encoder` is a module (N, 3, 96, 96) -> (N, D); what else is trained with it
        (heads, decoders, discriminators) or must outlive an interruption (memory banks) is a module or buffer beside.
        """

    @abstractmethod
    def loss(self, network: Network, batch: Batch) -> Tensor:
        """A scalar in float32, to be minimised over all parameters of the network; called under autocast."""

    def measures(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        """Scalars of a validation batch for the curves: "loss", and what else tells how it goes; without gradients."""
        return {"loss": self.loss(network, batch)}

    def begin_epoch(
        self, network: Network, optimizer: torch.optim.Optimizer, train: Images, validation: Images
    ) -> None:
        """Before each epoch's training, for what must look at all images: clusterings. The network is in train mode."""


@dataclass(frozen=True)
class Variant:
    """A row of OBJECTIVES: a kind of objective, and the options that set it apart from others of its kind."""

    kind: type[Objective[Any]]
    options: dict[str, Any]

    @classmethod
    def of(cls, kind: type[Objective[Any]], **options: Any) -> "Variant":
        return cls(kind, options)

    @property
    def trains(self) -> bool:
        return self.kind.trains

    def build(self, setup: Setup) -> Objective[Any]:
        """ValueError where the kind cannot be built with the setup's sigma and switches."""
        self.kind.check(setup.sigma, setup.switches)
        return self.kind(setup, **self.options)
