"""Steps of training in which the CPU waits for the GPU: waits by CUDA's sync debug mode, large copies by counting.

A copy from memory that is not pinned waits if it has more than 64 KB: less than that the driver copies aside, and the
program goes on. A real GPU does not tell such copies; the pretended one counts them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import torch

from pse_repro.config.study import Model, Recipe
from pse_repro.machine.device import choose_machine
from pse_repro.objectives import OBJECTIVES
from pse_repro.study.cells import length_of
from pse_repro.training.pretrain import Pretraining
from tests.support.pretended_cuda.state import Counts, counted
from tests.support.tiny import dataset, protocol, sigma_of

BATCH = 4
# What 64 KB of a study's batch of 128 images are here; nearly all that is drawn grows with the batch.
STAGED_BYTES = 65536 * BATCH // 128

# Objectives that may wait in a step, and why. One that no longer waits fails the test: its row goes.
MAY_WAIT: dict[str, str] = {}


@contextmanager
def no_waiting() -> Iterator[Counts]:
    """Let every wait for the GPU raise RuntimeError inside the block, and count its copies."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        with counted() as counts:
            yield counts
    finally:
        torch.cuda.set_sync_debug_mode("default")


def watched(name: str, under: str) -> Counts:
    """Train an epoch and return the counts from its second step to its last, between which no wait is allowed.

    Before are the clusterings, after the end of the epoch, which reads the mean loss.
    """
    machine, model = choose_machine("cuda", "bf16"), Model("cnn", name, sigma_of(name))
    settings = protocol(under, batch_size=BATCH)
    training = Pretraining(
        Recipe("cell", model, settings, length_of(model, settings, 1), 0), dataset(36, 40, 10), machine
    )
    steps, counts = 0, Counts()

    def after_batch(images: int) -> None:
        nonlocal steps, counts
        if not images:
            return  # the objective has begun the epoch
        steps += 1
        if steps == 1:
            counts = between.enter_context(no_waiting())
        if steps == training.steps_per_epoch:
            between.close()

    with ExitStack() as between:
        training.train_epoch(0, after_batch)
    assert steps > 2
    return counts


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("under", ["as-released", "as-described"])
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if OBJECTIVES[name].trains])
def test_no_step_of_an_epoch_waits_for_the_gpu(name: str, under: str) -> None:
    if name not in MAY_WAIT:
        assert watched(name, under).pageable(STAGED_BYTES) == []
        return
    with pytest.raises(RuntimeError, match="synchronizing"):
        watched(name, under)
