"""One client of the server: what it says is obeyed or refused with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from rtsep.control import Console
from rtsep.errors import CodeError, RtsepError
from rtsep.serve.format import MOST_FRAMES, CodeFormat, Frames, pack, unpack
from rtsep.serve.limits import Allowance, Limits
from rtsep.serve.messages import Ask, Asked, Done, Hello, Refused, Reset, Told, Turn, Welcome, asked, turned
from rtsep.serve.metrics import Metrics
from rtsep.serve.session import Counts
from rtsep.serve.words import Words
from rtsep.serve.worker import Change, Forget, Open, Put, ServiceWorker

LONGEST_REASON = 120
"""Bytes of the reason in a close frame."""


class Socket(Protocol):
    """An open WebSocket. All but ``close`` raise websockets' ConnectionClosed once it is closed."""

    async def recv(self) -> str | bytes:
        """The next message."""
        ...

    async def send(self, message: str | bytes, /) -> None:
        """Send a message."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Tell the client to go."""
        ...

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Every message, until the client goes."""
        ...


class House(Protocol):
    """What a connection needs of its server."""

    worker: ServiceWorker
    words: Words
    limits: Limits
    metrics: Metrics

    def check(self, format: CodeFormat) -> None:
        """Refuse codes of another model. Raises CodeError."""
        ...


class TurnedAwayError(Exception):
    """The client is told to go.

    Args:
        code: of the close frame.
        why: one word for the metrics.
        reason: for the client.
    """

    def __init__(self, code: int, why: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.why, self.reason = code, why, reason


class Connection:
    """Everything of one client, in the event loop's thread.

    Args:
        number: of its session.
        socket: open.
        house: the server.
    """

    def __init__(self, number: int, socket: Socket, house: House) -> None:
        self.number, self._socket, self._house = number, socket, house
        self._unsent: asyncio.Queue[bytes | str] = asyncio.Queue(house.limits.unsent_messages)
        self._allowance = Allowance(house.limits.orders_a_second)
        self._faults = 0
        self._console = Console()
        self._hello: Hello | None = None
        self._room = asyncio.Event()
        self._outstanding = 0
        self._heard = 0
        self._seen = Counts()
        self._closing: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Until the client goes, or is told to."""
        sending = asyncio.create_task(self._send())
        try:
            await self._greet()
            async for message in self._socket:
                await self._take(message)
        except TurnedAwayError as away:
            self._leave(away)
        except ConnectionClosed:
            pass
        finally:
            if self._closing is not None:
                await self._closing
            sending.cancel()
            self.count()
            self._house.worker.orders.put(Forget(self.number, end=True))

    def deliver(self, frames: Frames) -> None:
        """Send edited frames, when the client takes them."""
        assert self._hello is not None
        self._outstanding -= len(frames.codes)
        self._room.set()
        self._say(pack(self._hello.format, frames))

    def refuse(self, reason: str, frames: int = 0) -> None:
        """Tell the client what was wrong with a message of that many frames; after too many it has to go."""
        self._outstanding -= frames
        self._room.set()
        self._house.metrics.refused.labels("message").inc()
        self._faults += 1
        self._say(Refused(reason=reason).model_dump_json())
        if self._faults > self._house.limits.faults:
            self._leave(
                TurnedAwayError(CloseCode.POLICY_VIOLATION, "faults", f"too many faults, at last: {reason}")
            )

    def count(self) -> None:
        """Tell the metrics what became of the frames."""
        now = self._house.worker.counts.get(self.number, self._seen)
        self._house.metrics.add(self._seen, now)
        self._seen = now

    async def _greet(self) -> None:
        limits = self._house.limits
        try:
            message = await asyncio.wait_for(self._socket.recv(), limits.hello_s)
        except TimeoutError as error:
            raise TurnedAwayError(
                CloseCode.POLICY_VIOLATION, "silent", f"no hello within {limits.hello_s:g} s"
            ) from error
        try:
            hello = asked(message) if isinstance(message, str) else None
            if not isinstance(hello, Hello):
                raise CodeError("the first message must be a hello")
            self._house.check(hello.format)
            self._console = turned(self._console, hello.values)
            condition = await self._house.words.condition(self._console, whole=hello.whole)
        except RtsepError as error:
            raise TurnedAwayError(CloseCode.POLICY_VIOLATION, "hello", str(error)) from error
        self._hello = hello
        longest_wait = limits.late_frames if hello.live else None
        self._house.worker.orders.put(Open(self.number, hello.format, condition, longest_wait))
        self._say(Welcome(session=self.number, most_frames=MOST_FRAMES).model_dump_json())

    async def _take(self, message: str | bytes) -> None:
        assert self._hello is not None
        try:
            if isinstance(message, bytes):
                frames = unpack(self._hello.format, message)
                self._outstanding += len(frames.codes)
                self._heard += len(frames.codes)
                self._house.worker.orders.put(Put(self.number, frames))
                await self._until_there_is_room()
            elif self._allowance.take():
                await self._obey(asked(message))
            else:
                rate = self._house.limits.orders_a_second
                raise CodeError(f"more than {rate:g} text messages a second")
        except RtsepError as error:
            self.refuse(str(error))

    async def _until_there_is_room(self) -> None:
        """A client sends as fast as it is served; a live one, which is not served all, as it is heard."""
        while self._ahead > self._house.limits.outstanding_frames:
            self._room.clear()
            await self._room.wait()
            if self._closing is not None:
                return

    @property
    def _ahead(self) -> int:
        """Frames that wait for the worker."""
        assert self._hello is not None
        if not self._hello.live:
            return self._outstanding
        counts = self._house.worker.counts.get(self.number, self._seen)
        return self._heard - counts.received - counts.refused

    async def _obey(self, order: Asked) -> None:
        assert self._hello is not None
        match order:
            case Turn(values=values):
                console = turned(self._console, values)
                condition = await self._house.words.condition(console, whole=self._hello.whole)
                self._console = console
                self._house.worker.orders.put(Change(self.number, condition))
                accepted = {name: console[name] for name in values}
                self._say(Done(values=accepted).model_dump_json())
            case Reset():
                self._house.worker.orders.put(Forget(self.number))
                self._say(Done().model_dump_json())
            case Ask():
                counts = self._house.worker.counts.get(self.number, self._seen)
                self._say(Told(counts=vars(counts)).model_dump_json())
            case _:
                raise CodeError("a second hello: open another connection")

    def _say(self, message: bytes | str) -> None:
        try:
            self._unsent.put_nowait(message)
        except asyncio.QueueFull:
            self._leave(
                TurnedAwayError(
                    CloseCode.POLICY_VIOLATION, "slow", "too slow: it does not take what it is sent"
                )
            )

    def _leave(self, away: TurnedAwayError) -> None:
        """Have the client told to go, once."""
        if self._closing is None:
            self._house.metrics.refused.labels(away.why).inc()
            reason = away.reason.encode()[:LONGEST_REASON].decode(errors="ignore")
            self._closing = asyncio.create_task(self._socket.close(away.code, reason))
            self._room.set()

    async def _send(self) -> None:
        try:
            while True:
                await self._socket.send(await self._unsent.get())
        except ConnectionClosed:
            pass
