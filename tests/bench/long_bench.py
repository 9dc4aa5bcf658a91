"""Every group of the bench runs, in every form."""

from pathlib import Path

import pytest

from pse_repro.bench.groups import GROUPS
from pse_repro.bench.run import Options, bench
from tests.support.schemas import validated

FORMS = {
    "loss": {"ours", "straightforward", "written out", "depthwise convolution", "two 1-D convolutions",
             "kornia gaussian_blur2d"},
    "finetune": {"ours", "ours, folds jointly", "straightforward"},
    "heads": {"ours", "ours, folds jointly", "straightforward"},
    "scaling": {"ours"},
    "smoke": {"ours"},
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_runs(images: Path, name: str) -> None:
    precision = "bf16" if name == "finetune" else "fp32"
    options = Options((name,), "cpu", (precision,), images, rounds=1, quick=True, quiet=True)
    rows = validated(bench(options, "json", None), "bench")["rows"]
    assert {row["group"] for row in rows} == {name}
    assert {row["form"] for row in rows} == FORMS.get(name, {"ours", "straightforward"})
    assert all(row["per_second"] > 0 and len(row["rounds"]) == 1 for row in rows)
    assert all((row["peak_memory_bytes"] or 0) > 0 for row in rows) == (name != "smoke")
    assert {row["precision"] for row in rows} <= {"fp32", precision}
