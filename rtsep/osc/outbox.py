"""What is to be sent: to each address of each receiver only the newest value, and a bounded number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache

from rtsep.osc.address import ERROR
from rtsep.osc.guard import ErrorBudget
from rtsep.osc.packet import Sendable, write
from rtsep.osc.subscribers import Sender

MOST = 4096
"""Messages that wait to be sent; each subscriber can be owed every value at once."""


class Outbox:
    """Collects answers and echoes within a turn of the server; owned by its thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._values: dict[tuple[Sender, str], tuple[Sendable, ...]] = {}
        self._errors: deque[tuple[Sender, str]] = deque(maxlen=MOST)
        self._budget = ErrorBudget()
        self.left_out = 0
        """Messages that there was no room for."""
        self.errors = 0
        """Errors, told or not."""

    def put(self, receiver: Sender, address: str, values: tuple[Sendable, ...]) -> None:
        """Send values, in place of older ones that have not been sent."""
        key = (receiver, address)
        if self._values.get(key) == values:
            return
        self._values.pop(key, None)
        if len(self._values) >= MOST:
            self.left_out += 1
            return
        self._values[key] = values

    def error(self, receiver: Sender, text: str) -> None:
        """Tell a sender what was wrong, unless it has been told too often lately."""
        self.errors += 1
        untold = self._budget.spend(receiver[0], self._clock())
        if untold is not None:
            line = " ".join(text.split())[:500]
            self._errors.append(
                (receiver, f"{line} ({untold} more errors before this one)" if untold else line)
            )

    def __len__(self) -> int:
        return len(self._values) + len(self._errors)

    def pop(self) -> tuple[Sender, bytes] | None:
        """The next datagram and who gets it, or None if there is none; values go before errors."""
        if self._values:
            receiver, address = next(iter(self._values))
            return receiver, _written(address, *self._values.pop((receiver, address)))
        if self._errors:
            receiver, text = self._errors.popleft()
            return receiver, write(ERROR, text)
        return None


@lru_cache(maxsize=256, typed=True)  # 1 and 1.0 are equal, and yet written differently
def _written(address: str, *values: Sendable) -> bytes:
    """A message as a datagram; several subscribers get the same one."""
    return write(address, *values)
