"""Commands of pse-repro in this process, within limits of time and memory, on tiny networks and without drawing."""

import contextlib
import hashlib
import io
import resource
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import typer
from PIL import Image

from pse_repro.cli.app import app
from pse_repro.study import manifest, survey
from tests.support import tiny

SECONDS = 30  # of the processor, after which a reader hangs
WAITING = 10  # times as many seconds of the clock: other work on the machine is no hang
MAX_MEMORY = 16 * 2**30  # bytes of address space: what reads a device to its end is stopped there


class Hang(BaseException):
    """A reader took longer than SECONDS."""


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise Hang in the block after so many seconds of the processor, and MemoryError if it takes much memory."""

    def end(_: int, __: FrameType | None) -> None:
        raise Hang

    before = [signal.signal(number, end) for number in (signal.SIGPROF, signal.SIGALRM)]
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, limits[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(WAITING * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def forget_files() -> None:
    """Forget what was read of files, as in a new process; files are replaced here faster than their times tell."""
    manifest._read.cache_clear()
    survey._fold_seconds.cache_clear()


def command_line(*words: str) -> tuple[int, str]:
    """Run a command of pse-repro in this process; return status and text, and raise its errors."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        status = typer.main.get_command(app).main(list(words), standalone_mode=False)
    return int(status or 0), printed.getvalue()


def sketch(figure: matplotlib.figure.Figure, buffer: Any, format: str, **_: Any) -> None:
    """Stand in for `Figure.savefig`, which takes seconds: a picture of the SHA-256 of all that is drawn."""
    digest = hashlib.sha256()
    for artist in figure.findobj():
        for get in ("get_text", "get_xydata", "get_array", "get_offsets", "get_paths", "get_xy"):
            if hasattr(artist, get):
                digest.update(repr(getattr(artist, get)()).encode())
    if format == "svg":
        buffer.write(f"<svg>\n<!-- {digest.hexdigest()} -->\n</svg>\n".encode())
    else:
        pixels = np.unpackbits(np.frombuffer(digest.digest(), np.uint8)).reshape(16, 16) * np.uint8(255)
        Image.fromarray(pixels).convert("RGB").save(buffer, "png")


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Replace the networks by tiny ones and the drawing of pictures by sketches, and draw few bootstrap samples."""
    with pytest.MonkeyPatch.context() as patch:
        tiny.make_tiny(patch)
        patch.setattr(matplotlib.figure.Figure, "savefig", sketch)
        patch.setattr("pse_repro.claims.measure.DRAWS", 200)
        yield
