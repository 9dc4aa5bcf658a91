"""A container image and the engine that runs it."""

import os
import subprocess
from pathlib import Path


class Failed(Exception):
    """A failed check; the message is what was found instead."""


class Image:
    """Container image with the engine that runs it and a temporary folder for its mounts."""

    def __init__(self, engine: str, name: str, work: Path) -> None:
        self.engine, self.name, self.work = engine, name, work
        # If root runs the checks, take another user; the image knows neither.
        self.uid = os.getuid() or 12345
        self.user = ["--user", f"{self.uid}:{self.uid if os.getuid() == 0 else os.getgid()}"]
        if engine == "podman" and os.getuid():
            self.user += ["--userns=keep-id"]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.engine, *words], capture_output=True, text=True)

    def command(self, *words: str, options: tuple[str, ...] = ()) -> list[str]:
        return [self.engine, "run", "--network", "none", "--env", "OMP_NUM_THREADS=1", *options, self.name, *words]

    def run(self, *words: str, options: tuple[str, ...] = (), status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; raise Failed if it ends with another status."""
        done = subprocess.run(self.command(*words, options=("--rm", *options)), capture_output=True, text=True)
        expect(done.returncode == status, f"status {done.returncode} instead of {status}: {done.stderr[-2000:]}")
        return done

    def folder(self, name: str) -> Path:
        """Create a folder that belongs to the user who runs the container."""
        folder = self.work / name
        folder.mkdir()
        if os.getuid() == 0:
            os.chown(folder, self.uid, self.uid)
        return folder

    def mounted(self, runs: Path) -> tuple[str, ...]:
        return (*self.user, "-v", f"{self.work}/data:/data:ro", "-v", f"{runs}:/runs")


def expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Failed(otherwise)
