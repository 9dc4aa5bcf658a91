"""Every objective pre-trains on a GPU, is interrupted and resumed, and gives the same results as on a CPU."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pse_repro.machine.device import Machine, choose_machine
from pse_repro.objectives import OBJECTIVES
from pse_repro.training.pretrain import Pretraining
from tests.support.resumed import cell, check_resumed, curves, cut_short, pretrained
from tests.support.tiny import CPU, dataset

BF16_ROUNDING = 1e-2  # eight bits, through a tiny network; the losses are computed in float32
# Objectives with a state of their own that lasts over epochs: clusters, memory banks, a discriminator.
WITH_STATE = ["pse", "deepcluster", "pirl-both", "inpaint-adversarial"]


@pytest.fixture(autouse=True)
def _no_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip t-SNE, which takes longer than the rest of such a run and computes on a CPU anyway."""
    monkeypatch.setattr("pse_repro.run.model_summary.embed", lambda latents_ND, _: np.zeros((len(latents_ND), 2)))


@pytest.fixture(scope="module")
def of_cpu() -> dict[str, pd.DataFrame]:
    """Curves computed on a CPU by objective name; filled by the tests."""
    return {}


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_taken_up_and_gets_what_a_cpu_gets(
    name: str,
    precision: str,
    of_cpu: dict[str, pd.DataFrame],
    rounding: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    which, machine = cell(name), choose_machine("cuda", precision)
    if name not in of_cpu:
        of_cpu[name] = curves(pretrained(tmp_path / "cpu", which, CPU))
    if OBJECTIVES[name].trains:
        cut_short(tmp_path / "gpu", which, machine, monkeypatch)
    found, expected = curves(pretrained(tmp_path / "gpu", which, machine)), of_cpu[name]
    assert list(found) == list(expected)
    # An accuracy on a few images jumps if rounding changes which class comes first. The spread of few embeddings moves
    # with the encoder's last bias: before a BatchNorm its gradient is rounding alone, which Adam makes steps of.
    measured = [column for column in expected if not column.endswith(("accuracy", "spread"))]
    tolerance = rounding if precision == "fp32" else BF16_ROUNDING
    np.testing.assert_allclose(found[measured], expected[measured], rtol=tolerance)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", WITH_STATE)
def test_a_run_taken_up_ends_with_the_same_weights_bit_for_bit(
    name: str, gpu: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_resumed(tmp_path, cell(name), gpu, monkeypatch)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", WITH_STATE)
def test_a_run_resumed_within_an_epoch_ends_with_the_same_weights_bit_for_bit(
    name: str, gpu: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pse_repro.run.pretrain.SAVE_SECONDS", 0.0
    )  # saved after the clustering, or after the first step
    check_resumed(tmp_path, cell(name, steps_per_epoch=6), gpu, monkeypatch)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("there", ["cpu", "cuda"])
def test_a_state_of_another_device_is_resumed(there: str, rounding: float) -> None:
    """Its optimizer keeps the options of this machine, and its moments lie as this machine's weights do."""
    machines = {device: choose_machine(device, "fp32") for device in ("cpu", "cuda")}
    began, resumed = (Pretraining(cell("pse").recipe, dataset(), machines[device]) for device in (there, other(there)))
    began.length = replace(began.length, epochs=1)
    began.run(lambda _: None, lambda _: None)
    resumed.state.restore(began.state.tensors(), began.state.note(), resumed.machine.device)
    options = resumed.state.optimizer.param_groups[0]
    assert options["fused"] == options["capturable"] == (resumed.machine.device.type == "cuda")
    for training in (began, resumed):
        training.length = replace(training.length, epochs=2)
        training.run(lambda _: None, lambda _: None)
    last, expected = resumed.state.curves[-1], began.state.curves[-1]
    assert last["train_loss"] == pytest.approx(expected["train_loss"], rel=rounding)
    assert last["validation_loss"] == pytest.approx(expected["validation_loss"], rel=rounding)


def other(device: str) -> str:
    return {"cpu": "cuda", "cuda": "cpu"}[device]
