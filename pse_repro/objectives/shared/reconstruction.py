"""Base of the autoencoders, which reconstruct their input under a criterion."""

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from pse_repro.loss import PSELoss
from pse_repro.models import Autoencoder, build_autoencoder
from pse_repro.objectives.base import Batch, Objective, Setup

CURVE_SIGMA = 3  # objectives without a sigma log the released PSE of this sigma, as in the slides' curves
Criterion = Callable[[Tensor, Tensor], Tensor]  # of reconstruction and images, each (N, 3, 96, 96) in [0, 1]
AnyAutoencoder = TypeVar("AnyAutoencoder", bound=Autoencoder)


def squared_error(reconstruction: Tensor, images: Tensor) -> Tensor:
    """Return mean((reconstruction - images)^2), in float32."""
    return nn.functional.mse_loss(reconstruction.float(), images.float())


class Reconstruction(Objective[AnyAutoencoder]):
    """An autoencoder under `criterion`; its curves also have MSE and PSE of the reconstructions."""

    reconstructs = True

    def __init__(self, setup: Setup, criterion: Criterion, curve_pse: PSELoss | None = None) -> None:
        super().__init__(setup)
        self.criterion = criterion
        self.curve_pse = curve_pse or PSELoss.as_released(CURVE_SIGMA)

    def loss(self, network: AnyAutoencoder, batch: Batch) -> Tensor:
        return self.criterion(network(batch.images)[1], batch.images)

    def measures(self, network: AnyAutoencoder, batch: Batch) -> dict[str, Tensor]:
        reconstruction = network(batch.images)[1]
        by_name: dict[str, Criterion] = {"loss": self.criterion, "mse": squared_error, "pse": self.curve_pse}
        return {name: criterion(reconstruction, batch.images) for name, criterion in by_name.items()}


class StudyReconstruction(Reconstruction[Autoencoder]):
    """The study's autoencoder."""

    def network(self) -> Autoencoder:
        return build_autoencoder(self.setup.encoder)
