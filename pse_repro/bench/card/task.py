"""What a part is told, and what all parts use: figures, and the kit's own commands as child processes."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from pse_repro.bench.card.result import add_note
from pse_repro.errors import NotFitError
from pse_repro.machine.device import Machine, choose_machine

OMITTED_STATUS = 77  # of the process of a part that is omitted, as in automake's tests
STOP_SECONDS = 10.0  # for a command that was asked to stop, to keep what it has


class OmittedError(Exception):
    """There is nothing to do for a part here; its text says why."""


@dataclass(frozen=True)
class Task:
    """A part's name and function, and its folder, images (None: the embedded sample), device, size and limit."""

    part: str
    work: str
    out: Path
    data: Path | None
    device: str
    quick: bool
    max_seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        return self.max_seconds - (time.monotonic() - self.began)

    @property
    def precision(self) -> str:
        """Precision of the study: bf16 on a GPU, fp32 on a CPU."""
        return "bf16" if self.device == "cuda" else "fp32"

    def machine(self, precision: str = "fp32") -> Machine:
        return choose_machine(self.device, precision)

    def note(self, name: str, value: float | str, unit: str = "") -> None:
        """Store a figure, at once."""
        add_note(self.out, self.part, name=name, value=value, unit=unit)
        shown = f"{value:.6g}" if isinstance(value, float) else value
        print(f"{name}: {shown} {unit}".rstrip(), flush=True)

    def kit(self, *words: str) -> list[str]:
        """Return the command line of one of the kit's commands."""
        return [sys.executable, "-m", "pse_repro", *words]

    def images(self) -> list[str]:
        return ["--data", str(self.data)] if self.data else []


def own_environment(task: Task) -> dict[str, str]:
    """Return the environment for a part: no option of the user's, and the embedded sample unless images are given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PSE_REPRO_")}
    return kept | {"PSE_REPRO_DATA_HOME": str(task.out / "no-images"), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def run_within(command: list[str], seconds: float) -> int:
    """Run a command, with its output in this part's; at its limit it is asked to stop, which is a NotFitError."""
    process = subprocess.Popen(command)
    try:
        return process.wait(max(seconds, 0.0))
    except subprocess.TimeoutExpired as error:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise NotFitError(f"stopped after {max(seconds, 0.0):.0f} s, for lack of time") from error
