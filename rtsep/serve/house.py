"""The sessions of one process: who is there, what each is handed, what is told. No network of its own."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections.abc import Sequence

from rtsep.models.bundle import Bundle
from rtsep.serve.connection import Connection, Socket
from rtsep.serve.format import CodeFormat
from rtsep.serve.limits import Limits
from rtsep.serve.metrics import Metrics
from rtsep.serve.service import Service
from rtsep.serve.words import Words
from rtsep.serve.worker import Done, ServiceWorker


class SessionHouse:
    """A bundle for many clients. All but the arithmetic and the words runs in one event loop's thread.

    Args:
        bundle: on the processor that is to run it.
        limits: of every client.
        token: what clients must bring as ``Authorization: Bearer``.
        threads: for the arithmetic of one step.
    """

    def __init__(
        self, bundle: Bundle, limits: Limits | None = None, token: str | None = None, threads: int = 1
    ) -> None:
        self.limits, self.metrics, self.words = limits or Limits(), Metrics(), Words(bundle)
        self._bundle, self._token = bundle, token
        self._connections: dict[int, Connection] = {}
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        service = Service(bundle, threads)
        for channels in (1, 2):
            service.prepare(CodeFormat.of(bundle, None, channels))
        self.worker = ServiceWorker(service, self._deliver)
        self.failed = asyncio.Event()

    def check(self, format: CodeFormat) -> None:
        """Refuse codes of another model.

        Raises:
            CodeError: they are.
        """
        format.check(self._bundle)

    def knows(self, authorization: Sequence[str]) -> bool:
        """Whether a client may come in, by its headers of that name."""
        if self._token is None:
            return True
        expected = f"Bearer {self._token}".encode()
        return len(authorization) == 1 and hmac.compare_digest(authorization[0].encode(), expected)

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._connections) >= self.limits.sessions

    async def serve(self, socket: Socket) -> None:
        """One client, until it goes or is told to."""
        number = next(self._numbers)
        self._connections[number] = Connection(number, socket, self)
        self.metrics.sessions.set(len(self._connections))
        try:
            await self._connections[number].serve()
        finally:
            del self._connections[number]
            self.metrics.sessions.set(len(self._connections))

    def health(self) -> dict[str, str | int]:
        """Whether it works, for how many, and which model."""
        told: dict[str, str | int] = {"status": "ok" if self.worker.alive else "failed"}
        told |= {"sessions": len(self._connections)}
        return told | {"bundle": self._bundle.name, "fingerprint": self._bundle.fingerprint}

    def figures(self) -> bytes:
        """What goes on, as Prometheus reads it."""
        for connection in self._connections.values():
            connection.count()
        return self.metrics.text()

    async def close(self) -> None:
        """Stop computing; nobody may be there any more."""
        self.words.close()
        await asyncio.to_thread(self.worker.close)

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
