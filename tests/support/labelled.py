"""A setup for the objectives that use labels."""

import torch

from pse_repro.config.protocol import load_protocol
from pse_repro.data.stl10 import Dataset
from pse_repro.objectives import Setup


def setup(data: Dataset) -> Setup:
    switches = load_protocol("as-released").switches
    return Setup("cell", "cnn", None, switches, data, torch.device("cpu"), train_images=50, batch_size=8)
