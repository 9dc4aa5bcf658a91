"""The harnesses of `nox -s soak`: each starts, and any difference between two runs is found."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.support.killed import differences


@pytest.mark.parametrize("name", ["damage", "kills", "steady"])
def test_a_harness_starts(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else imports them, so that a name that moved would show only in the hour when one is needed."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        import_module(f"tests.soak.{name}").main()
    assert "--out" in capsys.readouterr().out


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
