"""An edge's line to a server: frames out, edited frames in, back by itself when the line breaks."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException

from rtsep.control import Value
from rtsep.errors import EngineError, RtsepError
from rtsep.serve.format import CodeFormat, Frames, pack, unpack
from rtsep.serve.messages import Hello, Refused, Reset, Turn, Welcome, answered

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
"""Between attempts to connect again, doubled each time."""

CONNECT_S = 10.0

MOST_WAITING = 100
"""Frames of a live stream that wait for the line: what is a second late helps nobody."""


@dataclass(frozen=True)
class Target:
    """The server, and how it is asked."""

    url: str
    live: bool
    token: str | None = None
    tls: ssl.SSLContext | None = None


class Link:
    """A connection in a thread of its own; but for the time that ``received`` is given nothing blocks.

    Where the stream is not live, what was not answered when the line broke is sent again; where it is, what
    could not be sent in time is not sent at all.

    Args:
        format: of the codes.
        target: where to.

    Raises:
        EngineError: at first there is no server, or it does not want this client; later it is tried again.
    """

    def __init__(self, format: CodeFormat, target: Target) -> None:
        self.reconnects = 0
        self.refused = ""
        """What the server refused last, and why."""
        self._format, self._target = format, target
        self._values: dict[str, Value] = {}  # what was asked for last, to be told again when the line breaks
        self._in: SimpleQueue[Frames] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._out: asyncio.Queue[Frames | Turn | Reset] = asyncio.Queue()
        self._unanswered: dict[int, Frames] = {}
        self._first: SimpleQueue[Exception | None] = SimpleQueue()
        self._closing, self._up = asyncio.Event(), False
        self._thread = threading.Thread(target=self._run, name="rtsep-link", daemon=True)
        self._thread.start()
        failure = self._first.get()
        if failure is not None:
            self._thread.join()
            raise EngineError(
                f"no session at {target.url}: {_why(failure, target.tls is not None)}"
            ) from failure

    def send(self, frames: Frames) -> None:
        """Have frames edited."""
        self._loop.call_soon_threadsafe(self._put, frames)

    def turn(self, values: Mapping[str, Value]) -> None:
        """Have parameters turned, before the frames that are sent after it."""
        self._loop.call_soon_threadsafe(self._turn, dict(values))

    def reset(self) -> None:
        """Have what was heard forgotten before the frames that are sent after it."""
        self._loop.call_soon_threadsafe(self._out.put_nowait, Reset())

    def received(self, wait_s: float = 0.0) -> list[Frames]:
        """What has come back since the last call."""
        found = []
        with contextlib.suppress(Empty):
            if wait_s:
                found.append(self._in.get(timeout=wait_s))
            while True:
                found.append(self._in.get_nowait())
        return found

    def close(self) -> None:
        """End the session."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def _put(self, frames: Frames) -> None:
        if self._target.live and self._out.qsize() >= MOST_WAITING:
            self._drop_frames()
        if self._up or not self._target.live:
            self._out.put_nowait(frames)

    def _drop_frames(self) -> None:
        """Leave out what is too late; orders stay."""
        for each in [self._out.get_nowait() for _ in range(self._out.qsize())]:
            if not isinstance(each, Frames):
                self._out.put_nowait(each)

    def _turn(self, values: dict[str, Value]) -> None:
        self._values |= values
        self._out.put_nowait(Turn(values=values))

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._until_closed())
        finally:
            self._loop.close()

    async def _until_closed(self) -> None:
        talking = asyncio.create_task(self._for_ever())
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait((talking, closing), return_when=asyncio.FIRST_COMPLETED)
        for task in (talking, closing):
            task.cancel()
        await asyncio.gather(talking, closing, return_exceptions=True)

    async def _for_ever(self) -> None:
        wait_s, begun = FIRST_WAIT_S, False
        while True:
            try:
                async with await self._connected() as socket:
                    self._up = True
                    self._first.put(None)
                    self.reconnects += begun
                    begun, wait_s = True, FIRST_WAIT_S
                    await self._talk(socket)
            except (OSError, TimeoutError, WebSocketException, RtsepError) as error:
                if not begun:
                    self._first.put(error)
                    return
            self._up = False
            if self._target.live:
                self._drop_frames()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _connected(self) -> ClientConnection:
        """A session, that has been told everything."""
        target = self._target
        headers = {"Authorization": f"Bearer {target.token}"} if target.token else None
        socket = await connect(
            target.url,
            ssl=target.tls,
            additional_headers=headers,
            compression=None,
            open_timeout=CONNECT_S,
            proxy=None,
            close_timeout=1,
        )
        try:
            await self._greet(socket)
        except BaseException:
            await socket.close()
            raise
        return socket

    async def _greet(self, socket: ClientConnection) -> None:
        live = self._target.live
        hello = Hello(format=self._format, live=live, whole=False, values=dict(self._values))
        await socket.send(hello.model_dump_json())
        try:
            answer = await asyncio.wait_for(socket.recv(), CONNECT_S)
        except ConnectionClosed as error:
            raise EngineError(error.reason if hasattr(error, "reason") else str(error)) from error
        if not isinstance(answer, str) or not isinstance(answered(answer), Welcome):
            raise EngineError("it does not speak as a server of rtsep does")

    async def _talk(self, socket: ClientConnection) -> None:
        if not self._target.live:
            for frames in list(self._unanswered.values()):
                await socket.send(pack(self._format, frames))
        sending = asyncio.create_task(self._send(socket))
        try:
            async for message in socket:
                self._take(message)
        finally:
            sending.cancel()

    async def _send(self, socket: ClientConnection) -> None:
        while True:
            match await self._out.get():
                case Turn() | Reset() as order:
                    await socket.send(order.model_dump_json())
                case Frames() as frames:
                    if not self._target.live:
                        self._unanswered[frames.number + len(frames.codes) - 1] = frames
                    await socket.send(pack(self._format, frames))

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            frames = unpack(self._format, message)
            self._unanswered.pop(frames.number + len(frames.codes) - 1, None)
            self._in.put(frames)
        elif isinstance(answer := answered(message), Refused):
            self.refused = answer.reason


def _why(error: Exception, tls: bool) -> str:
    """In a few words."""
    if tls and isinstance(error, ConnectionResetError | EOFError | ssl.SSLError):
        if not isinstance(error, ssl.SSLCertVerificationError):
            return "it does not speak TLS: give ws:// if it is to be reached without"
    elif isinstance(error, InvalidMessage):
        return f"{error}: give wss:// if it has a certificate"
    if isinstance(error, InvalidStatus):
        body = (error.response.body or b"").decode(errors="replace").strip()
        return f"{error.response.status_code} {body or error.response.reason_phrase}"
    return str(error) or type(error).__name__
