"""Fixture that turns off syncing to disk."""

import os

import pytest


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip fsync, which is slow for hundreds of small archives."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
