"""Scalars for TensorBoard: their names, each logged once, and a one-line error if it is not installed."""

import importlib.util
import sys
from pathlib import Path

import pytest

from pse_repro.errors import UsageError
from pse_repro.progress.facts import Epoch
from pse_repro.progress.listener import Stage
from pse_repro.progress.tensorboard import open_scalars, require, stored_points

PARAMETERS = {"model.sigma": 3.0, "switches.gradient_clipping": True}
installed = pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="the extra is not installed")


def log(run: Path, epochs: range, phase: str = "pre-train", fold: int | None = None) -> None:
    with open_scalars("tensorboard", events(run), PARAMETERS) as scalars:
        assert scalars is not None
        for epoch in epochs:
            Stage(phase, 9, listeners=[scalars]).measure(Epoch(epoch, None, 0.25, fold, {"seconds": 0.5}))


def events(run: Path) -> Path:
    return run / "tensorboard" / "as-released" / "cnn-mse-seed0"


def test_without_it_one_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'pse-repro\[tensorboard\]'") as caught:
        require("tensorboard")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2
    with pytest.raises(UsageError), open_scalars("tensorboard", tmp_path, {}):
        pass
    require(None)


def test_nothing_is_asked_for_and_nothing_is_written(tmp_path: Path) -> None:
    with open_scalars(None, tmp_path, {}) as scalars:
        assert scalars is None
    assert list(tmp_path.iterdir()) == []


@installed
def test_a_cell_without_epochs_leaves_no_file(tmp_path: Path) -> None:
    log(tmp_path, range(0))
    assert not events(tmp_path).exists()


@installed
def test_scalars_are_named_by_phase_and_curve_and_counted_in_epochs(tmp_path: Path) -> None:
    log(tmp_path, range(3), "finetune", 2)
    log(tmp_path, range(1))
    assert stored_points(events(tmp_path)) == {
        "finetune/fold-2/seconds": {0, 1, 2},
        "finetune/fold-2/validation_loss": {0, 1, 2},
        "pre-train/seconds": {0},
        "pre-train/validation_loss": {0},
    }


@installed
def test_a_run_that_goes_on_has_each_point_and_its_parameters_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log(tmp_path, range(3))
    torn = next(events(tmp_path).iterdir())
    torn.write_bytes(torn.read_bytes() + b"\x18\x00\x00")  # killed while it wrote
    log(tmp_path, range(1, 5))  # an epoch is done again
    stored = EventAccumulator(str(events(tmp_path)), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    assert [event.step for event in stored.Scalars("pre-train/seconds")] == [0, 1, 2, 3, 4]
    assert [event.value for event in stored.Scalars("pre-train/validation_loss")] == [0.25] * 5
    (text,) = stored.Tensors("hyper-parameters/text_summary")
    assert "| model.sigma | 3.0 |" in text.tensor_proto.string_val[0].decode()
