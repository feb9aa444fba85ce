"""Fixtures of tests that speak OSC."""

from collections.abc import Iterator

import pytest
from osc_builders import Client, Setup, running


@pytest.fixture
def setup() -> Iterator[Setup]:
    """A desk, and a server before it."""
    with running() as found:
        yield found


@pytest.fixture
def client(setup: Setup) -> Iterator[Client]:
    """A client of that server."""
    with Client(setup.server.address) as found:
        yield found
