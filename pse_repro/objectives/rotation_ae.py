"""Autoencoder that also predicts its image's rotation: `MSE + beta * cross-entropy`.

Source: the homework report's improvements 1 and 2 (beta = 10). Its pixels are in [-1, 1], so its MSE is four times that
of pixels in [0, 1]; the loss is in the report's units, the metric "mse" in the study's. With the encoder `residual` the
network is the report's; with the study's encoders, only the decoder and the classifier are.
"""

import torch
from torch import Tensor, nn

from pse_repro.models import ENCODERS, Autoencoder, build_encoder, pixelshuffle_decoder
from pse_repro.objectives.base import Batch, Setup
from pse_repro.objectives.shared.reconstruction import Reconstruction, squared_error

BETA = 10.0
TURNS = 4


class RotationAutoencoder(Autoencoder):
    """An autoencoder with a `classifier` from the latent to logits (N, 4) of the image's quarter turns."""

    def __init__(self, encoder: nn.Module, latent_size: int) -> None:
        super().__init__(encoder, latent_size)
        self.decoder = pixelshuffle_decoder(latent_size)
        self.classifier = nn.Linear(latent_size, TURNS)


class RotationAE(Reconstruction[RotationAutoencoder]):
    """Reconstruction and rotation of rotated images; in validation, reconstruction is measured on unrotated images."""

    chance = 100 / TURNS

    def __init__(self, setup: Setup, beta: float = BETA) -> None:
        super().__init__(setup, squared_error)
        self.beta = beta

    def network(self) -> RotationAutoencoder:
        return RotationAutoencoder(build_encoder(self.setup.encoder), ENCODERS[self.setup.encoder].latent_size)

    def loss(self, network: RotationAutoencoder, batch: Batch) -> Tensor:
        turns_N = drawn_turns(batch.images)
        images = rotated(batch.images, turns_N)
        latent, reconstruction = network(images)
        return self._weighed(squared_error(reconstruction, images), cross_entropy(network.classifier(latent), turns_N))

    def measures(self, network: RotationAutoencoder, batch: Batch) -> dict[str, Tensor]:
        turns_N = drawn_turns(batch.images)
        logits = network.classifier(network.encoder(rotated(batch.images, turns_N)))
        found = super().measures(network, batch)
        loss = self._weighed(found["mse"], cross_entropy(logits, turns_N))
        return found | {"loss": loss, "accuracy": 100 * (logits.argmax(1) == turns_N).float().mean()}

    def _weighed(self, mse: Tensor, rotation: Tensor) -> Tensor:
        return 4 * mse + self.beta * rotation  # pixels in [-1, 1]: twice the difference


def cross_entropy(logits: Tensor, turns_N: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.float(), turns_N)


def drawn_turns(images_NCHW: Tensor) -> Tensor:
    """Draw quarter turns (N,), 0 to 3, on the CPU, for each image separately."""
    return torch.randint(TURNS, (len(images_NCHW),)).to(images_NCHW.device, non_blocking=True)


def rotated(images_NCHW: Tensor, turns_N: Tensor) -> Tensor:
    """Rotate the images counter-clockwise by these numbers of quarter turns, by transposing and flipping."""
    turns = turns_N[:, None, None, None]
    turned = torch.where(turns % 2 == 1, images_NCHW.transpose(2, 3), images_NCHW)
    turned = torch.where((turns == 1) | (turns == 2), turned.flip(2), turned)
    turned = torch.where(turns >= 2, turned.flip(3), turned)
    return turned.contiguous(memory_format=torch.channels_last)
