"""Real processes killed and resumed, with the same numbers bit for bit: a short form of `nox -s soak -- kills`."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.killed import CALLS, STUDY, Killed

ONE_MODEL = STUDY.rpartition("[[models]]")[0].replace("folds = 2", "folds = 1").replace(', "cluster"', "")
SAVED_AFTER_EPOCHS = {"save_seconds": 60.0}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A study of one model, which runs in `whole` without interruption."""
    study = Killed(tmp_path_factory.mktemp("runs"), random.Random(117))
    study.prepare(ONE_MODEL)
    assert study.whole
    assert study.unlike == []
    return study


# Both signals, and both numbers of processes; `nox -s soak -- kills` has every combination.
@pytest.mark.parametrize(("how", "jobs"), [(signal.SIGKILL, 2), (signal.SIGINT, 1)], ids=["killed-2", "interrupted-1"])
def test_a_run_cut_short_in_pre_training_continues_with_the_same_numbers(
    study: Killed, how: signal.Signals, jobs: int
) -> None:
    run = study.folder / how.name
    process = study.start(run.name, jobs, **SAVED_AFTER_EPOCHS)
    deadline = time.monotonic() + 120
    while not _saved(run) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _saved(run), "the run ended before it saved anything"
    process.send_signal(how)
    said = process.communicate(timeout=60)[1]  # ends when every process that writes to it has ended
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "what was done is kept" in said
        assert "Traceback" not in said
    assert not (run / "results.csv").exists()

    said = study.finish(run.name, jobs, **SAVED_AFTER_EPOCHS)
    assert "resumed after epoch" in said
    assert "images/s" in said  # plain lines without a terminal
    assert "\x1b" not in said
    study.compare(run.name)
    assert study.unlike == []


def _saved(run: Path) -> bool:
    return bool(list(run.glob("models/cnn-pse-3-seed0-*/state.safetensors")))


def test_a_run_killed_again_and_again_ends_like_one_that_was_not(study: Killed) -> None:
    """Within writes and of one process of two; all kills are of the same run, whose sessions get forward in between."""
    killed = [way for way in (*CALLS, "worker") if study.kill("run", way)]
    assert len(killed) >= 2, "most sessions ended before they were killed"
    study.finish("run")
    study.compare("run")
    assert study.unlike == []
