"""What a client may do, and how it is found that it does more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds of every client of a server."""

    sessions: int = 64
    message_bytes: int = 65_536
    orders_a_second: float = 20.0
    """Text messages, on average; for a moment three seconds' worth."""
    faults: int = 20
    """Messages that cannot be obeyed, after which the client is told to go."""
    hello_s: float = 10.0
    """So long a client may be silent at first."""
    ping_s: float = 10.0
    """A client that answers no ping for so long is gone."""
    unsent_messages: int = 512
    """Waiting for a client that does not take them: more, and it is too slow."""
    outstanding_frames: int = 1024
    """Frames not edited yet, or of a live client not even looked at, after which it is not read from."""
    late_frames: int = 10
    """Frames of a live client that may wait."""


class Allowance:
    """So many a second on average, and a burst of three seconds' worth.

    Args:
        a_second: the average.
        clock: seconds.
    """

    def __init__(self, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = a_second, clock
        self._left, self._at = 3 * a_second, clock()

    def take(self) -> bool:
        """Whether there is one more."""
        now = self._clock()
        self._left = min(3 * self._rate, self._left + self._rate * (now - self._at))
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
