"""No pre-training at all: the encoder as it was initialised. The baseline that every pre-training has to beat."""

from pse_repro.objectives.mse import MSE


class Random(MSE):
    """Never trained on; its reconstructions are measured by MSE."""

    trains = False
