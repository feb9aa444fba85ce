"""A server on a free port for tests, in its own thread, and clients that speak by hand."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from rtsep.models.bundle import Bundle
from rtsep.serve.format import CodeFormat, Codes, Frames, pack, unpack
from rtsep.serve.limits import Limits
from rtsep.serve.messages import Hello
from rtsep.serve.server import Server, ServerSettings

WAIT_S = 60.0
"""Far longer than anything takes: only a hang is as long."""


@contextlib.contextmanager
def served(bundle: Bundle, **changes: Any) -> Iterator[tuple[str, Server]]:
    """A server as long as the block lasts: its address, HOST:PORT, and itself."""
    limits = replace(Limits(), **{name: changes.pop(name) for name in list(changes) if hasattr(Limits, name)})
    ready, ended = threading.Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        server = Server(bundle, ServerSettings(port=changes.pop("port", 0), limits=limits, **changes))
        async with server.open() as (host, port):
            found.extend((asyncio.get_running_loop(), f"{host}:{port}", server))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(WAIT_S)
    loop, address, server = found
    try:
        yield address, server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(WAIT_S)
        assert not thread.is_alive()


def said(socket: ClientConnection) -> str:
    """The next text message."""
    while isinstance(message := socket.recv(timeout=WAIT_S), bytes):
        pass
    return message


@contextlib.contextmanager
def client(
    address: str, bundle: Bundle, live: bool = False, token: str = "", **values: float | bool | str
) -> Iterator[ClientConnection]:
    """A session that has been welcomed; ``prompt__1__text`` stands for prompt/1/text."""
    named = {name.replace("__", "/"): value for name, value in values.items()}
    known = {"Authorization": f"Bearer {token}"} if token else None
    options = {"compression": None, "proxy": None, "open_timeout": WAIT_S, "close_timeout": 2}
    with connect(f"ws://{address}", additional_headers=known, **options) as socket:
        hello = Hello(format=CodeFormat.of(bundle), live=live, values=named)
        socket.send(hello.model_dump_json())
        assert "welcome" in said(socket)
        yield socket


def edited(socket: ClientConnection, bundle: Bundle, codes: Codes, number: int = 0, chunk: int = 1) -> Codes:
    """Send codes, chunk by chunk, and collect what comes back for all of them."""
    format = CodeFormat.of(bundle)
    for start in range(0, len(codes), chunk):
        socket.send(pack(format, Frames(number + start, codes[start : start + chunk])))
    found: list[Codes] = []
    while sum(map(len, found)) < len(codes):
        message = socket.recv(timeout=WAIT_S)
        assert isinstance(message, bytes), message
        frames = unpack(format, message)
        assert frames.number == number + sum(map(len, found))
        found.append(frames.codes)
    return np.concatenate(found)
