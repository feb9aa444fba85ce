"""Replicas on Ray until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ray import serve
from ray.serve.config import HTTPOptions

from rtsep.errors import ConfigError, EngineError
from rtsep.models.bundle import find_bundle
from rtsep.serve.ray_cluster import cluster
from rtsep.serve.ray_replica import application

NAME = "rtsep"
"""Of the application, in Ray's own tools."""


@dataclass(frozen=True)
class RaySettings:
    """Where, for whom, and how many."""

    bundle: str
    host: str
    port: int
    replicas: tuple[int, int]
    sessions: int
    threads: int = 1
    token: str | None = None
    tls: tuple[Path, Path] | None = None
    """Certificate and key."""


def run_on_ray(settings: RaySettings) -> None:
    """Serve a bundle.

    Raises:
        RtsepError: there is no such bundle, no Ray, or the address cannot be had.
    """
    find_bundle(settings.bundle)
    if settings.port == 0:
        raise ConfigError("--port 0: on Ray name the port")
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    with cluster():
        serve.start(http_options=_http(settings))
        found = application(
            settings.bundle,
            settings.replicas,
            sessions=settings.sessions,
            token=settings.token,
            threads=settings.threads,
        )
        try:
            serve.run(found, name=NAME)
        except RuntimeError as error:
            raise EngineError(f"Ray Serve does not start: {error}") from error
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, end)
        scheme = "wss" if settings.tls else "ws"
        print(f"serving {settings.bundle} on {scheme}://{settings.host}:{settings.port}", flush=True)
        ended.wait()
        serve.delete(NAME)


def _http(settings: RaySettings) -> HTTPOptions:
    certificate, key = map(str, settings.tls) if settings.tls else (None, None)
    return HTTPOptions(host=settings.host, port=settings.port, ssl_certfile=certificate, ssl_keyfile=key)
