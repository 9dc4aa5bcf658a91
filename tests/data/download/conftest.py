"""A server that is near and answers at once."""

from collections.abc import Iterator

import pytest

from pse_repro.data import download
from tests.data.server import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs for a local server; no proxy of the machine's."""
    monkeypatch.setattr(download, "READ_SECONDS", 2.0)
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.0)
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
