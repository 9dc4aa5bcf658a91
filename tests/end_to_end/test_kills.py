"""The short form of `nox -s soak`: kills at random instants, within writes, and of one process of several."""

import random
from pathlib import Path

import numpy as np
import pytest

from tests.support.killed import CALLS, STUDY, Killed, differences

SHORT = STUDY.rpartition("[[models]]")[0].replace("epochs = 3", "epochs = 2").replace(', "cluster"', "")


def test_a_run_killed_again_and_again_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """All kills are of the same run, whose sessions get forward in between."""
    study = Killed(tmp_path, random.Random(5))
    study.prepare(SHORT)
    killed = [way for way in (*CALLS, "worker") if study.kill("run", way)]
    assert len(killed) >= 2, "most sessions ended before they were killed"
    study.finish("run")
    study.compare("run")
    assert study.unlike == []


@pytest.mark.parametrize("change", ["predictions", "table", "missing", "left"])
def test_any_difference_is_found(change: str, tmp_path: Path) -> None:
    for run in ("whole", "run"):
        (tmp_path / run).mkdir()
        np.savez(tmp_path / run / "fold-1.npz", probabilities=np.full(3, 0.1), seconds=np.random.default_rng().random())
        (tmp_path / run / "results.csv").write_text("top1\n50.0\n")
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert differences(whole, run) == []
    if change == "predictions":
        np.savez(run / "fold-1.npz", probabilities=np.nextafter(np.full(3, 0.1), 1), seconds=0)
    elif change == "table":
        (run / "results.csv").write_text("top1\n50.00\n")
    elif change == "missing":
        (run / "fold-1.npz").unlink()
    else:
        (run / ".results.csv.7.part").touch()
    expected = {"table": ["results.csv"], "left": [".results.csv.7.part"]}.get(change, ["fold-1.npz"])
    assert differences(whole, run) == expected
