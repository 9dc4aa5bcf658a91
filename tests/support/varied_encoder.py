"""An encoder whose BatchNorm statistics differ from layer to layer."""

from torch import nn


def varied(encoder: nn.Module) -> nn.Module:
    """Set BatchNorm weights, biases and statistics to random values, as after training, and return the encoder."""
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            nn.init.uniform_(layer.running_mean, -1, 1)  # type: ignore[arg-type]
    return encoder
