"""The untrained encoder."""

from pathlib import Path

import pytest
import torch

from pse_repro.objectives.random import Random
from pse_repro.progress.stages import Progress
from pse_repro.run.cell import CellRun
from pse_repro.seeding import seeded
from pse_repro.study.address import CellFiles
from tests.support.tiny import TinyAutoencoder, cell, context


def test_it_has_no_sigma() -> None:
    Random.check(None)
    with pytest.raises(ValueError, match="random takes none"):
        Random.check(3.0)


@pytest.mark.usefixtures("tiny_models")
def test_the_encoder_is_kept_as_it_was_initialised_and_judged(tmp_path: Path) -> None:
    of = cell("random", epochs=5)
    with Progress(quiet=True) as progress:
        run = CellRun(of, context(tmp_path, progress=progress))
        rows = run.run()
    with seeded(of.pretraining_id, "initialisation"):
        fresh = TinyAutoencoder()
    for name, kept in run.pretraining.encoder().state_dict().items():
        assert torch.equal(kept, fresh.encoder.state_dict()[name]), name
    assert {"finetune", "frozen"} <= set(rows["evaluation"])
    assert "first_train_loss" not in set(rows["metric"])
    assert CellFiles(tmp_path, of).curves.read_text().count("\n") == 2
