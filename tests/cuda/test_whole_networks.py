"""The study's own networks, and smoke from the command line to the report; takes minutes on the pretended GPU."""

from pathlib import Path

import pytest
import torch

from pse_repro import cli
from pse_repro.machine.device import choose_machine
from pse_repro.study.record import Run
from tests.support.resumed import cell, check_resumed


@pytest.mark.parametrize("encoder", ["cnn", "resnet"])
def test_a_run_taken_up_ends_with_the_same_weights_bit_for_bit(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_resumed(tmp_path, cell("pse", encoder), choose_machine("cuda", "bf16"), monkeypatch)


def test_smoke_comes_to_a_verdict_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["pse-repro", "smoke", "--device", "cuda", "--quiet"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capfd.readouterr()
    assert stop.value.code == 0, said.err
    # The golden values are a CPU's.
    assert "smoke: 8 expected values, 0 within, 0 outside, 0 missing, 8 not comparable" in said.out
    run = tmp_path / "runs" / "smoke"
    results = Run.open(run).results
    assert set(results["device"]) == {"cuda"}
    assert set(results["evaluation"]) == {"pretrain", "finetune", "frozen"}
    assert torch.cuda.get_device_properties().name in (run / "report.html").read_text(encoding="utf-8")
