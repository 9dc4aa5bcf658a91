"""What an encoder is pre-trained with: one objective, one file; a new one is its file, its test and a row here."""

from pse_repro.objectives import mse, pse, random
from pse_repro.objectives.base import Objective

OBJECTIVES: dict[str, type[Objective]] = {"mse": mse.MSE, "pse": pse.PSE, "random": random.Random}

__all__ = ["OBJECTIVES", "Objective"]
