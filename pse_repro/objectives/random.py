"""No pre-training: the encoder with its initial weights. The baseline that every pre-training has to beat."""

from pse_repro.objectives.mse import MSE


class Random(MSE):
    """An untrained autoencoder; its reconstructions are measured by MSE."""

    trains = False
