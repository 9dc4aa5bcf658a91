"""A server that is near and answers at once."""

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
    """Time-outs for a local server; no proxy of the machine's."""
    monkeypatch.setattr(stream, "READ_SECONDS", 2.0)
    monkeypatch.setattr(stream, "BACKOFF_SECONDS", 0.0)
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
