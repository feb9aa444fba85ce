"""A desk to play with, a server before it, and a client that speaks plain UDP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from rtsep.control import Command, Console, Level, Status, Strip, Value
from rtsep.desk import Desk
from rtsep.errors import CommandError, ConfigError
from rtsep.latency import LatencyBudget
from rtsep.osc.packet import Message, Sendable, read, write
from rtsep.osc.server import OscServer

STATUS = Status(
    seconds=12.5,
    hops=1250,
    dropouts=3,
    load=0.25,
    level_in=Level(-6.0, -18.0, 2),
    level_out=Level(-3.0, -12.0, 0),
    latency=LatencyBudget(48_000, 264, 0, 480, 0, 0, 0, 1296, 0),
    sample_rate=48_000,
)
"""What the engine of these tests says of itself."""

PATIENCE_S = 30.0
"""How long a test waits for what must come: long, because a loaded machine must not fail it."""


@dataclass
class RecordingHost:
    """Takes whatever a desk gives it; words are unknown if they are listed so."""

    unknown: set[str] = field(default_factory=set)
    consoles: list[Console] = field(default_factory=list)
    obeyed: list[Command] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    may_learn: threading.Event = field(default_factory=threading.Event)

    def knows(self, text: str) -> bool:
        """Whether a prompt is at hand."""
        return text not in self.unknown

    def learn(self, text: str) -> None:
        """Wait for leave, then know."""
        assert self.may_learn.wait(PATIENCE_S)
        if text == "gibberish":
            raise CommandError("gibberish: the encoder knows no such words")
        self.unknown.discard(text)
        self.learned.append(text)

    def apply(self, console: Console, preset: str) -> None:
        """Remember a console, the last thousand of them."""
        self.consoles.append(console)
        del self.consoles[:-1000]

    def obey(self, command: Command) -> None:
        """Remember a command."""
        self.obeyed.append(command)


class DictPresets:
    """Presets that are kept in memory."""

    def __init__(self) -> None:
        self.kept = {
            "birds": Console(strips=(Strip("birdsong"), *(Strip(),) * 7)),
            "kitchen": Console(strips=(Strip("dishes"), Strip("tap", negative=True), *(Strip(),) * 6)),
        }

    def names(self) -> list[str]:
        """Those there are."""
        return sorted(self.kept)

    def load(self, name: str) -> Console:
        """One of them."""
        if name not in self.kept:
            raise ConfigError(f"no preset {name!r}: have {', '.join(self.names())}")
        return self.kept[name]

    def values(self, name: str, console: Console) -> dict[str, Value]:
        """What loading one sets."""
        return dict(self.load(name).items())

    def save(self, name: str, console: Console) -> None:
        """Keep one."""
        self.kept[name] = console


class Setup:
    """A server on a free port, with the real desk behind it."""

    def __init__(self, console: Console) -> None:
        self.host, self.presets = RecordingHost(), DictPresets()
        self.host.may_learn.set()
        self.desk = Desk(self.host, console, self.presets)  # type: ignore[arg-type]
        self.status = STATUS
        self.server = OscServer(self.desk, lambda: self.status, port=0)

    def wait_for_desk(self) -> None:
        """Return when the desk has obeyed what it was given."""
        done: Future[None] = self.desk._control.submit(self.desk._hand_over)
        done.result(PATIENCE_S)


@contextmanager
def running(console: Console | None = None) -> Iterator[Setup]:
    """A setup whose server answers."""
    setup = Setup(console or Console())
    try:
        with setup.server:
            yield setup
    finally:
        setup.desk.close()
    assert setup.server.counts.faults == 0


class Client:
    """Speaks OSC over UDP from a port of its own."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, address: str, *values: Sendable) -> None:
        """Send a message."""
        self.send_raw(write(address, *values))

    def send_raw(self, datagram: bytes) -> None:
        """Send whatever."""
        self.socket.sendto(datagram, self.server)

    def receive(self, patience_s: float = PATIENCE_S) -> Message | None:
        """The next message, or None if none comes."""
        self.socket.settimeout(patience_s)
        try:
            (timed,) = read(self.socket.recv(65536))
        except TimeoutError:
            return None
        return timed.message

    def receive_at(self, address: str) -> tuple[object, ...]:
        """The arguments of the next message at an address; those before it are dropped."""
        until = time.monotonic() + PATIENCE_S
        while (left := until - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None and message.address == address:
                return message.arguments
        raise AssertionError(f"nothing came at {address}")

    def ask(self, address: str) -> tuple[object, ...]:
        """Ask for the value at an address."""
        self.send(address)
        return self.receive_at(address)

    def settle(self) -> list[Message]:
        """Everything that has come until the server has answered a question asked now."""
        self.send("/rtsep/seconds")
        found = []
        while (message := self.receive()) is not None and message.address != "/rtsep/seconds":
            found.append(message)
        return found
