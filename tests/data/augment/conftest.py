"""Fixture that seeds every test separately."""

from collections.abc import Iterator

import pytest

from pse_repro.seeding import seeded


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> Iterator[None]:
    with seeded("test_augment", request.node.name):
        yield
