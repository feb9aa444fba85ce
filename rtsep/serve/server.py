"""``rtsep serve``: codes in and codes out over WebSockets, health and metrics over HTTP, on one port."""

from __future__ import annotations

import asyncio
import hmac
import http
import itertools
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
from rtsep.serve.connection import Connection
from rtsep.serve.format import CodeFormat
from rtsep.serve.limits import Limits
from rtsep.serve.metrics import Metrics
from rtsep.serve.service import Service
from rtsep.serve.words import Words
from rtsep.serve.worker import Done, ServiceWorker

CLOSE_S = 2.0
"""So long a client that is told to go may take."""


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
    """A bundle, served. Everything but the arithmetic and the words runs in the event loop's thread.

    Args:
        bundle: on the processor that is to run it.
        settings: where and for whom.
    """

    def __init__(self, bundle: Bundle, settings: ServerSettings) -> None:
        self._bundle, self._settings = bundle, settings
        self.limits, self.metrics, self.words = settings.limits, Metrics(), Words(bundle)
        self._connections: dict[int, Connection] = {}
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self.worker = ServiceWorker(Service(bundle, settings.threads), self._deliver)
        self.failed = asyncio.Event()

    def check(self, format: CodeFormat) -> None:
        """Refuse codes of another model.

        Raises:
            CodeError: they are.
        """
        format.check(self._bundle)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[str, int]]:
        """Listen; yields host and port.

        Raises:
            EngineError: the address cannot be had.
        """
        settings = self._settings
        try:
            listener = await serve(
                self._serve,
                settings.host,
                settings.port,
                ssl=settings.tls,
                process_request=self._answer,
                compression=None,
                max_size=self.limits.message_bytes,
                max_queue=32,
                open_timeout=self.limits.hello_s,
                ping_interval=self.limits.ping_s,
                ping_timeout=self.limits.ping_s,
                close_timeout=CLOSE_S,
                server_header=None,
            )
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise EngineError(f"cannot listen on {where} ({error.strerror}): give another --port") from error
        try:
            yield _address(listener)
        finally:
            listener.close()
            await listener.wait_closed()
            self.words.close()
            await asyncio.to_thread(self.worker.close)

    async def _serve(self, socket: ServerConnection) -> None:
        number = next(self._numbers)
        connection = Connection(number, socket, self)
        self._connections[number] = connection
        self.metrics.sessions.set(len(self._connections))
        try:
            await connection.serve()
        finally:
            del self._connections[number]
            self.metrics.sessions.set(len(self._connections))

    def _answer(self, socket: ServerConnection, request: Request) -> Response | None:
        """HTTP: health, metrics, and who may not have a session."""
        path = request.path.partition("?")[0]
        if path == "/health":
            return self._health()
        if not self._known(request.headers):
            return self._refused(
                http.HTTPStatus.UNAUTHORIZED, "token", "bring the token: Authorization: Bearer ..."
            )
        if path == "/metrics":
            for connection in self._connections.values():
                connection.count()
            return _response(
                http.HTTPStatus.OK, self.metrics.text(), "text/plain; version=0.0.4; charset=utf-8"
            )
        if path != "/":
            return self._refused(http.HTTPStatus.NOT_FOUND, "path", "there are /, /health and /metrics")
        if len(self._connections) >= self.limits.sessions:
            reason = f"{self.limits.sessions} sessions are all this server takes: try again later"
            return self._refused(http.HTTPStatus.SERVICE_UNAVAILABLE, "full", reason)
        return None

    def _known(self, headers: Headers) -> bool:
        token = self._settings.token
        if token is None:
            return True
        given = headers.get_all("Authorization")
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), f"Bearer {token}".encode())

    def _health(self) -> Response:
        alive = self.worker.alive
        told = {"status": "ok" if alive else "failed", "sessions": len(self._connections)}
        told |= {"bundle": self._bundle.name, "fingerprint": self._bundle.fingerprint}
        status = http.HTTPStatus.OK if alive else http.HTTPStatus.SERVICE_UNAVAILABLE
        return _response(status, json.dumps(told).encode(), "application/json")

    def _refused(self, status: http.HTTPStatus, why: str, reason: str) -> Response:
        self.metrics.refused.labels(why).inc()
        return _response(status, f"{reason}\n".encode(), "text/plain; charset=utf-8")

    def _deliver(self, done: Done) -> None:
        """From the worker's thread to the event loop's."""
        self._loop.call_soon_threadsafe(self._hand_out, done)

    def _hand_out(self, done: Done) -> None:
        if done.step_s:
            self.metrics.step_s.observe(done.step_s)
        for session, frames in done.edited:
            if session in self._connections:
                self._connections[session].deliver(frames)
        if done.refused is not None and done.refused[0] in self._connections:
            session, count, reason = done.refused
            self._connections[session].refuse(reason, count)
        if self.worker.failure is not None:
            self.failed.set()


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
