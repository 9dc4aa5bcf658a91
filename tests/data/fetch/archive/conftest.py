"""Hasty disks."""

import os

import pytest


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of small archives need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
