"""The bench's straightforward forms compute what PSELoss computes, and its table holds every form."""

import json
from collections.abc import Callable

import pytest
import torch

from pse_repro import bench
from pse_repro.loss import PSELoss


@pytest.mark.parametrize("form", [bench.dense, bench.depthwise, bench.separable])
@pytest.mark.parametrize("sigma", bench.SIGMAS)
def test_the_forms_agree(form: Callable[[int], bench.Loss], sigma: int) -> None:
    torch.manual_seed(0)
    input, target = torch.rand(2, 2, 3, 24, 20, dtype=torch.float64)
    expected = PSELoss.as_released(sigma)(input, target)
    torch.testing.assert_close(form(sigma)(input, target), expected)


def test_every_form_is_measured_and_mse_is_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SHAPE", (1, 3, 24, 24))
    monkeypatch.setattr(bench, "ROUNDS", 3)
    rows = json.loads(bench.run("cpu", "json"))
    assert len(rows) == 2 + 4 * len(bench.SIGMAS) + 1
    assert rows[0]["form"] == "MSE"
    assert rows[0]["times_mse"] == 1
    assert all(row["ms"] > 0 for row in rows)
    assert {row["times_faster_than_dense"] for row in rows if row["form"].startswith("dense")} == {1}
