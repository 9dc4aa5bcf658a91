"""Peak memory of pre-training on a real GPU: what is reserved for a model is enough for the largest one."""

import gc

import pytest
import torch

from pse_repro.config.study import Model, Recipe
from pse_repro.data.batches import MODEL_BYTES
from pse_repro.machine.device import choose_machine
from pse_repro.study.cells import length_of
from pse_repro.training.pretrain import Pretraining
from tests.support.tiny import dataset, protocol

BATCH = 128


@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_resnet_trains_within_the_memory_reserved_for_a_model(
    precision: str, cuda_graphs: bool, is_pretended: bool
) -> None:
    if is_pretended:
        pytest.skip("the pretended GPU's memory is not measured")
    machine = choose_machine("cuda", precision, cuda_graphs=cuda_graphs)
    under, model = protocol("as-released", batch_size=BATCH), Model("resnet", "pse", 3.0)
    data = dataset(8 * BATCH, 40, 10)  # six steps of training and one of validation
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    machine.reset_peak_memory()
    training = Pretraining(Recipe("cell", model, under, length_of(model, under, 1), 0), data, machine)
    training.train_epoch(0, lambda _: None)
    assert (training.captured is not None) == cuda_graphs
    assert training.captured is None or training.captured.why_not == ""
    assert torch.cuda.max_memory_reserved() - before < MODEL_BYTES + data.unlabeled.stored_NCWH.nbytes
