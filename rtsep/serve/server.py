"""``rtsep serve``: codes in and codes out over WebSockets, health and metrics over HTTP, on one port."""

from __future__ import annotations

import errno
import http
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from rtsep.errors import EngineError
from rtsep.models.bundle import Bundle
from rtsep.serve.house import SessionHouse
from rtsep.serve.limits import Limits
from rtsep.serve.token import BRING_TOKEN

CLOSE_S = 2.0
"""So long a client that is told to go may take."""

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus's text."""


@dataclass(frozen=True)
class ServerSettings:
    """Where and for whom."""

    host: str = "127.0.0.1"
    port: int = 7771
    """0: any free one."""
    token: str | None = None
    """What clients must bring as ``Authorization: Bearer``."""
    tls: ssl.SSLContext | None = None
    threads: int = 1
    """For the arithmetic of one step."""
    limits: Limits = field(default_factory=Limits)


class Server:
    """A house with a door: WebSockets, and HTTP for who looks after it.

    Args:
        bundle: on the processor that is to run it.
        settings: where and for whom.
    """

    def __init__(self, bundle: Bundle, settings: ServerSettings) -> None:
        self._settings = settings
        self.house = SessionHouse(bundle, settings.limits, settings.token, settings.threads)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[str, int]]:
        """Listen; yields host and port.

        Raises:
            EngineError: the address cannot be had.
        """
        settings, limits = self._settings, self._settings.limits
        try:
            listener = await serve(
                self.house.serve,
                settings.host,
                settings.port,
                ssl=settings.tls,
                process_request=self._answer,
                compression=None,
                max_size=limits.message_bytes,
                max_queue=32,
                open_timeout=limits.hello_s,
                ping_interval=limits.ping_s,
                ping_timeout=limits.ping_s,
                close_timeout=CLOSE_S,
                server_header=None,
            )
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            other = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
            raise EngineError(f"cannot listen on {where} ({error.strerror}): give another {other}") from error
        try:
            yield _address(listener)
        finally:
            listener.close()
            await listener.wait_closed()
            await self.house.close()

    def _answer(self, socket: ServerConnection, request: Request) -> Response | None:
        """HTTP: health, metrics, and who may not have a session."""
        path = request.path.partition("?")[0]
        if path == "/health":
            return self._health()
        if not self.house.knows(request.headers.get_all("Authorization")):
            return self._refused(
                http.HTTPStatus.UNAUTHORIZED,
                "token",
                BRING_TOKEN,
            )
        if path == "/metrics":
            return _response(http.HTTPStatus.OK, self.house.figures(), METRICS_TYPE)
        if path != "/":
            return self._refused(http.HTTPStatus.NOT_FOUND, "path", "there are /, /health and /metrics")
        if self.house.full:
            reason = f"{self._settings.limits.sessions} sessions are all this server takes: try again later"
            return self._refused(http.HTTPStatus.SERVICE_UNAVAILABLE, "full", reason)
        return None

    def _health(self) -> Response:
        told = self.house.health()
        status = http.HTTPStatus.OK if told["status"] == "ok" else http.HTTPStatus.SERVICE_UNAVAILABLE
        return _response(status, json.dumps(told).encode(), "application/json")

    def _refused(self, status: http.HTTPStatus, why: str, reason: str) -> Response:
        self.house.metrics.refused.labels(why).inc()
        return _response(status, f"{reason}\n".encode(), "text/plain; charset=utf-8")


def _address(listener: Listener) -> tuple[str, int]:
    host, port, *_ = next(iter(listener.sockets)).getsockname()
    return str(host), int(port)


def _response(status: http.HTTPStatus, body: bytes, kind: str) -> Response:
    headers = Headers([("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")])
    return Response(status.value, status.phrase, headers, body)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's certificate and key.

    Raises:
        EngineError: they cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise EngineError(f"cannot use the certificate {certificate} with {key} ({error})") from error
    return context
