"""Fixtures that several test modules share."""

import os
import shutil
from collections.abc import Iterator

import jack_server
import pytest


@pytest.fixture(scope="session")
def jack_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of clients of a JACK server, 48 kHz, period 256, which runs for the session."""
    if shutil.which("jackd") is None:
        if os.environ.get("CI"):
            pytest.fail("jackd is missing: in CI the device tests must run (apt-get install jackd2)")
        pytest.skip("jackd is missing (apt-get install jackd2)")
    with jack_server.server(tmp_path_factory.mktemp("jack")) as environment:
        yield environment
