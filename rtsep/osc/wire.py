"""What the process of the OSC server and the one that has started it say to each other, and over what."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rtsep.control import Command, Console, Status
from rtsep.osc.subscribers import Sender

GATHER_S, FLOOD_S = 0.005, 0.02
"""What follows within so short a time travels together, and in a flood within a longer one: every message
wakes the process of the engine."""


class Facts(NamedTuple):
    """A desk as it stands."""

    console: Console
    preset: str
    learning: str


@dataclass(frozen=True)
class Beginning:
    """First to the server: what to be."""

    host: str
    ports: range
    """The first that is free is taken."""
    allow: tuple[str, ...]
    name: str | None
    """Under which programs find it, by OSCQuery; None: they do not."""
    presets: Path
    """The user's folder."""
    facts: Facts
    status: Status


@dataclass(frozen=True)
class Listening:
    """First from the server, where it is not the ``RtsepError`` that keeps it from listening."""

    address: Sender


@dataclass(frozen=True)
class Update:
    """To the server: what is new."""

    facts: Facts | None
    """None if they are as before."""
    changed: tuple[str, ...]
    """Parameters that have been set."""
    answers: tuple[tuple[int, BaseException | None], ...]
    """The number of each command that is done, and why it could not be obeyed."""
    errors: tuple[str, ...]
    """What has gone wrong elsewhere."""
    status: Status
    """Without its console, which the facts have."""
    spectra: Mapping[str, bytes] | None
    """None where nobody has asked lately."""


@dataclass
class Counts:
    """What came in, since the start."""

    received: int = 0
    malformed: int = 0
    refused: int = 0
    """Datagrams of senders that may not speak."""
    unsent: int = 0
    """Datagrams that the system did not take."""
    faults: int = 0
    """Turns that ended in an exception: bugs."""


@dataclass(frozen=True)
class Request:
    """From the server: what is wanted."""

    commands: tuple[tuple[int, Command], ...]
    spectra: bool
    """Whether they have been looked at since the last request."""
    counts: Counts
    said: tuple[str, ...]
    """What whoever runs the engine should read."""


class Wire:
    """Values of any kind over two pipes; only for processes that trust each other, as they are pickled."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink

    def send(self, value: object) -> None:
        """Hand a value over.

        Raises:
            OSError, ValueError: the other side has gone, or this one has hung up.
        """
        self._sink.write(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        self._sink.flush()

    def receive(self) -> Any:
        """The next value.

        Raises:
            EOFError: the other side has gone, perhaps in the middle of one.
        """
        try:
            return pickle.load(self._source)
        except (OSError, ValueError, pickle.UnpicklingError) as error:
            raise EOFError(str(error)) from error

    def hang_up(self) -> None:
        """Let the other side know that nothing comes any more."""
        with contextlib.suppress(OSError):
            self._sink.close()

    def close(self) -> None:
        """Hang up, and listen no more; for the thread that receives."""
        self.hang_up()
        self._source.close()


class Courier(threading.Thread):
    """Carries what gathers to the other side, in a thread of its own; ends when that has gone.

    Args:
        wire: over which.
        news: makes what is sent; None sends nothing.
        every_s: how often it looks without having been called.
        name: of the thread.
    """

    def __init__(self, wire: Wire, news: Callable[[], object], every_s: float, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._wire, self._news, self._every_s = wire, news, every_s
        self._called, self._stopping = threading.Event(), threading.Event()
        self.gather_s = GATHER_S
        """What passes between two journeys at the least."""

    def call(self) -> None:
        """There is something to carry; from any thread."""
        self._called.set()

    def stop(self) -> None:
        """Carry what is there, then end."""
        self._stopping.set()
        self._called.set()

    def done(self, patience_s: float) -> None:
        """Wait until it has ended."""
        if self.ident is not None:
            self.join(patience_s)

    def run(self) -> None:
        """Carry, until it is stopped."""
        sent_s = -GATHER_S
        while True:
            last = self._stopping.is_set()
            if self._called.wait(self._every_s):
                self._stopping.wait(max(0.0, sent_s + self.gather_s - time.monotonic()))
                self._called.clear()
                sent_s = time.monotonic()
            news = self._news()
            try:
                if news is not None:
                    self._wire.send(news)
            except (OSError, ValueError):
                return
            if last:
                return
