"""A file to read from a server, and the results of reading it."""

import random

import pytest

from pse_repro.data.fetch.stream import Identity, ResumingStream
from pse_repro.errors import NotFitError

CONTENT = random.Random(0).randbytes(150_000)
KNOWN, UNKNOWN = Identity(len(CONTENT), '"one"'), Identity()


def read(
    url: str, position: int = 0, begun: Identity = UNKNOWN, size: int | None = None, said: list[str] | None = None
) -> bytes:
    """Return all bytes from `position` on; messages are appended to `said`."""
    said = [] if said is None else said
    with ResumingStream(url, said.append, position=position, begun=begun, size=size) as stream:
        return stream.read()


def refused(url: str, position: int = 0, begun: Identity = UNKNOWN, size: int | None = None) -> str:
    """Return the one-line error with which reading ends."""
    with pytest.raises(NotFitError) as caught:
        read(url, position, begun, size)
    assert "\n" not in str(caught.value)
    return str(caught.value)
