"""A real process killed in the middle of pre-training is resumed and ends with the same numbers, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.killed import differences
from tests.support.tiny import write_images

STUDY = """
name = "killed"
scale = "reduced"
expected = "paper"
epochs = 3
folds = 1
evaluations = ["frozen"]
[overrides]
batch_size = 8
downstream_max_epochs = 3
[[models]]
encoder = "cnn"
objective = "pse"
sigma = 3
"""


def command(folder: Path, out: str, jobs: int = 1) -> list[str]:
    # Background jobs of a shell script ignore SIGINT, and child processes inherit that.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = [sys.executable, "-c", f"{heed}; from pse_repro.cli import main; main()"]
    study = ["run", str(folder / "s.toml"), "--data", str(folder / "photos"), "--device", "cpu"]
    return [*program, *study, "--out", out, "--jobs", str(jobs)]


def environment() -> dict[str, str]:
    # One thread keeps the order of sums, also if another process uses a core.
    return os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with images, a study, and an undisturbed run of it in `whole`."""
    folder = tmp_path_factory.mktemp("runs")
    write_images(folder / "photos", unlabeled=60, train=20, test=20)
    (folder / "s.toml").write_text(STUDY)
    done = subprocess.run(command(folder, "whole"), cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stderr  # plain lines without a terminal
    assert "\x1b" not in done.stderr
    return folder


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_cut_short_continues_with_the_same_numbers(folder: Path, how: signal.Signals, jobs: int) -> None:
    name = f"{how.name}-{jobs}"
    cut = folder / name
    process = subprocess.Popen(
        command(folder, name, jobs),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not _saved(cut) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _saved(cut), "the run ended before it saved anything"
    process.send_signal(how)
    said = process.communicate(timeout=60)[1]  # ends when every process that writes to it has ended
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "what was done is kept" in said
        assert "Traceback" not in said
    assert not (cut / "results.csv").exists()

    again = subprocess.run(command(folder, name, jobs), cwd=folder, env=environment(), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "resumed after epoch" in again.stderr
    assert differences(folder / "whole", cut) == []


def _saved(run: Path) -> bool:
    return bool(list(run.glob("models/cnn-pse-3-seed0-*/state.safetensors")))
