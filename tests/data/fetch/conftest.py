"""Fixtures: a fast local server of archives."""

import os
from collections.abc import Iterator

import pytest

from pse_repro.data.fetch import get, stream
from pse_repro.data.fetch.archive import Archive
from pse_repro.data.stl10 import OFFICIAL_MD5
from tests.support.getting import FILES, GOOD, MD5
from tests.support.server import Server, md5, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """Set time-outs for a local server, ignore the machine's proxy, and do not sync small archives to disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "READ_SECONDS", 2.0)
        patch.setattr(stream, "BACKOFF_SECONDS", 0.0)
        patch.setattr(os, "fsync", lambda _: None)
        for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def official(server: Server, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Replace STL-10's archive by the small one."""
    known = Archive(server.serve(GOOD), MD5, len(GOOD), {name: md5(FILES[name]) for name in OFFICIAL_MD5})
    monkeypatch.setattr(get, "STL10", known)
    return known
