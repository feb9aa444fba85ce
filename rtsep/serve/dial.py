"""What ``--server`` means: an edge, with a link for its line."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from rtsep.config import RunSettings
from rtsep.errors import ConfigError
from rtsep.models.bundle import load_bundle
from rtsep.separators.registry import installed
from rtsep.serve.edge import Edge, frames_within
from rtsep.serve.format import CodeFormat
from rtsep.serve.link import Link, Target
from rtsep.serve.token import server_token


def open_edge(settings: RunSettings, *, live: bool) -> Edge:
    """A separator whose masker is ``settings.server``.

    Raises:
        BundleError: there is no such bundle here.
        ConfigError: the server's address is none, or the separator has no codes to send.
    """
    url = settings.server or ""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, brackets that do not close
        good = False
    if not good:
        raise ConfigError(f"--server {url!r}: give ws://HOST:PORT, or wss:// for TLS")
    if settings.bundle in installed():
        raise ConfigError(
            f"--separator {settings.bundle}: a server takes codes, so name the bundle that it serves"
        )
    tls = ssl.create_default_context() if parts.scheme == "wss" else None
    bundle = load_bundle(settings.bundle)
    target = Target(url, live, server_token(), tls)

    def dial(format: CodeFormat) -> Link:
        return Link(format, target)

    delay = frames_within(settings.network_ms, bundle.separator)
    return Edge(bundle, dial, delay, live=live, codebooks=settings.codebooks)
