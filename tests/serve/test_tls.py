"""Codes under TLS: an edge that trusts the certificate gets in, one that does not is told why."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from serving import served
from test_service import some_codes
from websockets.exceptions import InvalidMessage
from websockets.sync.client import connect

from rtsep.config import RunSettings
from rtsep.errors import EngineError
from rtsep.models.bundle import Bundle
from rtsep.serve.dial import open_edge
from rtsep.serve.format import CodeFormat, Codes, Frames
from rtsep.serve.link import Link, Target
from rtsep.serve.server import tls_context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that nobody else has signed, and its key."""
    if shutil.which("openssl") is None:
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail("openssl is missing: in CI TLS must be tried (apt-get install openssl)")
        pytest.skip("openssl is missing (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", *asked.split(), *names]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def settings(port: str, tiny: Bundle) -> RunSettings:
    return RunSettings(server=f"wss://localhost:{port}", bundle=str(tiny.path))


def through(url: str, bundle: Bundle, tls: ssl.SSLContext | None = None) -> Codes:
    """Some codes, edited by the server there."""
    codes, found = some_codes(bundle, 20), list[Frames]()
    link = Link(CodeFormat.of(bundle), Target(url, live=False, tls=tls))
    link.turn({"prompt/1/text": "speech"})
    link.send(Frames(0, codes))
    while sum(len(each.codes) for each in found) < len(codes):
        found += link.received(1.0)
    link.close()
    return np.concatenate([each.codes for each in found])


def test_what_comes_through_tls_is_what_comes_without(tiny: Bundle, certificate: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with served(tiny) as (plain, _), served(tiny, tls=tls_context(*certificate)) as (secret, _):
        port = secret.rpartition(":")[2]
        found = through(f"wss://localhost:{port}", tiny, trusting)
        assert np.array_equal(found, through(f"ws://{plain}", tiny))
    assert not np.array_equal(found, some_codes(tiny, 20))


def test_an_edge_trusts_what_the_system_trusts(
    tiny: Bundle, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with served(tiny, tls=tls_context(*certificate)) as (address, _):
        edge = open_edge(settings(address.rpartition(":")[2], tiny), live=False)
        edge.initial_state(1, 1, 1, 1)  # which dials
        edge.close()


def test_an_edge_that_does_not_trust_it_is_told_so_in_one_line(
    tiny: Bundle, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with served(tiny, tls=tls_context(*certificate)) as (address, _):
        edge = open_edge(settings(address.rpartition(":")[2], tiny), live=False)
        with pytest.raises(EngineError, match="certificate verify failed") as refused:
            edge.initial_state(1, 1, 1, 1)
    assert "\n" not in str(refused.value)


def test_a_client_without_tls_gets_nothing(tiny: Bundle, certificate: tuple[Path, Path]) -> None:
    with (
        served(tiny, tls=tls_context(*certificate)) as (address, _),
        pytest.raises((InvalidMessage, EOFError, OSError)),
    ):
        connect(f"ws://{address}", proxy=None, open_timeout=10)


def test_who_asks_for_tls_where_there_is_none_or_the_other_way_round_is_told_what_to_give(
    tiny: Bundle, certificate: tuple[Path, Path]
) -> None:
    with served(tiny) as (plain, _), served(tiny, tls=tls_context(*certificate)) as (secret, _):
        for url, advice in ((f"wss://{plain}", "give ws://"), (f"ws://{secret}", "give wss://")):
            tls = ssl.create_default_context() if url.startswith("wss") else None
            with pytest.raises(EngineError, match=f"no session at {url}: .*{advice}") as refused:
                Link(CodeFormat.of(tiny), Target(url, live=False, tls=tls))
            assert "\n" not in str(refused.value)
