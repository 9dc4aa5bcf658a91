"""Steps of training in which the CPU waits for the GPU, detected by CUDA's sync debug mode."""

import pytest
import torch

from pse_repro.config.study import Model, Recipe
from pse_repro.machine.device import choose_machine
from pse_repro.study.cells import length_of
from pse_repro.training.pretrain import Pretraining
from tests.support.tiny import dataset, protocol


@pytest.mark.xfail(
    strict=True,
    raises=RuntimeError,
    reason="every batch uploads its positions by a copy that waits for the GPU (Images in data/batches.py)",
)
@pytest.mark.usefixtures("tiny_models")
def test_no_step_of_an_epoch_waits_for_the_gpu() -> None:
    machine, under, model = choose_machine("cuda", "bf16"), protocol("as-described"), Model("cnn", "pse", 3.0)
    training = Pretraining(Recipe("cell", model, under, length_of(model, under, 1), 0), dataset(), machine)
    training.train_epoch(0, lambda _: None)  # the first epoch may wait: kernels are loaded, memory is allocated
    steps, last = 0, len(training.train) // training.length.batch_size

    def after_batch(_: int) -> None:
        nonlocal steps
        steps += 1
        torch.cuda.set_sync_debug_mode("error" if steps < last else "default")  # the end of the epoch reads the loss

    try:
        training.train_epoch(1, after_batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert steps == last
