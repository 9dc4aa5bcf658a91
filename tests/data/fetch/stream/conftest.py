"""Fixtures: a fast local server."""

from collections.abc import Iterator

import pytest

from pse_repro.data.fetch import stream
from tests.support.server import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set time-outs for a local server and ignore the machine's proxy."""
    monkeypatch.setattr(stream, "READ_SECONDS", 2.0)
    monkeypatch.setattr(stream, "BACKOFF_SECONDS", 0.0)
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
