"""Images without content, on which an objective's question has no answer: flat colours and noise."""

import numpy as np

from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Length, Model, Recipe
from pse_repro.data.stl10 import SIDE, Dataset, Split
from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.jigsaw import Jigsaw
from pse_repro.objectives.patch_location import PatchLocation
from pse_repro.training.pretrain import Pretraining
from tests.support.tiny import CPU

ASKS_WHERE = [name for name, row in OBJECTIVES.items() if issubclass(row.kind, (Jigsaw, PatchLocation))]
NOISE = 10  # standard deviation in grey levels


def contentless(count: int) -> Split:
    """Return images of one random colour each, with independent noise in every pixel."""
    random = np.random.default_rng(count)
    colours_NC11 = random.uniform(64, 192, (count, 3, 1, 1)).astype(np.float32)
    noise_NCWH = random.standard_normal((count, 3, SIDE, SIDE), dtype=np.float32)
    return Split((colours_NC11 + NOISE * noise_NCWH).clip(0, 255).astype(np.uint8), None)


def pretraining(objective: str, images: Split, steps: int) -> Pretraining:
    """Return the CNN's pre-training as described, with batches of 32 at a learning rate of 1e-3."""
    protocol = load_protocol("as-described", {"batch_size": 32, "learning_rate": 1e-3})
    recipe = Recipe("cell", Model("cnn", objective), protocol, Length(1, 32, steps=steps), 0)
    return Pretraining(recipe, Dataset("contentless", images, images, images, {}), CPU)


def most_by_chance(chance: float, cases: int) -> float:
    """Return the share of right answers that guesses exceed once in 30,000 times: four standard deviations."""
    return chance + 4 * (chance * (1 - chance) / cases) ** 0.5
