"""Two pipes between processes of ours, and who carries what gathers."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Self

from rtsep.priority import BESIDE, hurry

GATHER_S, FLOOD_S = 0.005, 0.02
"""What follows within so short a time travels together, and in a flood within a longer one: every message
wakes the process of the engine."""


class Wire:
    """Values of any kind over two pipes; only for processes that trust each other, as they are pickled."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._sending = threading.Lock()

    @classmethod
    def of_this_process(cls) -> Self:
        """Over standard input and output; from now on whatever prints, in C as well, does so as an error."""
        sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        return cls(sys.stdin.buffer, sink)

    def send(self, value: object) -> None:
        """Hand a value over; from any thread.

        Raises:
            OSError, ValueError: the other side has gone, or this one has hung up.
        """
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._sink.write(data)
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
        urgent: the worker's interpreter is the same: see ``priority.BESIDE``.
    """

    def __init__(
        self, wire: Wire, news: Callable[[], object], every_s: float, name: str, *, urgent: bool = False
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._urgent = urgent
        self._wire, self._news, self._every_s = wire, news, every_s
        self._called, self._stopping = threading.Event(), threading.Event()
        self._carrying = threading.Lock()
        self.gather_s = GATHER_S
        """What passes between two journeys at the least."""

    def call(self) -> None:
        """There is something to carry; from any thread."""
        self._called.set()

    def carry(self) -> None:
        """Carry what is there now, and wait until it is on its way; from any thread.

        Raises:
            OSError, ValueError: the other side has gone, or this one has hung up.
        """
        with self._carrying:  # what is older must not arrive later
            news = self._news()
            if news is not None:
                self._wire.send(news)

    def stop(self) -> None:
        """Carry what is there, then end."""
        self._stopping.set()
        self._called.set()

    def done(self, patience_s: float | None = None) -> None:
        """Wait until it has ended."""
        if self.ident is not None:
            self.join(patience_s)

    def run(self) -> None:
        """Carry, until it is stopped."""
        if self._urgent:
            hurry(BESIDE)
        sent_s = -GATHER_S
        while True:
            last = self._stopping.is_set()
            if self._called.wait(self._every_s):
                self._stopping.wait(max(0.0, sent_s + self.gather_s - time.monotonic()))
                self._called.clear()
                sent_s = time.monotonic()
            try:
                self.carry()
            except (OSError, ValueError):
                return
            if last:
                return
