"""Minutes of training on images without content, after which the answers must be as good as guesses.

Its name keeps it out of the test suite: `nox -s shortcuts`. `test_shortcuts.py` looks for one cause in seconds.
"""

import pytest
import torch

from pse_repro.objectives.jigsaw import Jigsaw
from pse_repro.objectives.patch_location import NEIGHBOURS
from pse_repro.seeding import seeded
from tests.support.contentless import ASKS_WHERE, contentless, most_by_chance, pretraining

BATCHES = 100  # of held-out images, in which accuracy is measured


@pytest.mark.parametrize("name", ASKS_WHERE)
def test_nothing_is_learnt(name: str) -> None:
    """With the crop's border, the jigsaw had 8 % right (chance is 1 %), and patch location 15 to 16 % (12.5 %)."""
    is_jigsaw = name.startswith("jigsaw")
    training = pretraining(name, contentless(4000), steps=300 if is_jigsaw else 150)
    training.train_epoch(0, lambda _: None)
    network, objective, right = training.state.network.eval(), training.objective, []
    with torch.no_grad(), seeded("held out"):
        for _ in range(BATCHES):
            images = training.validation[torch.randint(len(training.validation), (32,))]
            logits, classes = objective.classified(network, training.augment(images))
            right.append((logits.argmax(1) == classes).float())
    chance = 1 / (len(objective.orders_P9) if isinstance(objective, Jigsaw) else NEIGHBOURS)
    share, cases = float(torch.cat(right).mean()), sum(map(len, right))
    print(f"{name}: {share:.2%} right, chance {chance:.2%}, at most {most_by_chance(chance, cases):.2%}")
    assert share < most_by_chance(chance, cases)
