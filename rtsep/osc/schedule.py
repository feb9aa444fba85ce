"""Messages of bundles that are due later, held for a few seconds and in a bounded number."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from rtsep.errors import CommandError
from rtsep.osc.packet import Message
from rtsep.osc.subscribers import Sender

FARTHEST_S = 10.0
"""How far ahead a time tag may lie. Senders that schedule look ahead by fractions of a second; who asks for
more has another clock, and would wait for ever."""

MOST = 1024
"""Messages held at once."""


@dataclass(frozen=True, order=True)
class _Entry:
    due: float
    number: int
    message: Message = field(compare=False)
    sender: Sender = field(compare=False)


class Schedule:
    """What is to be done later, in the order of the time tags, then of arrival."""

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def hold(self, ahead_s: float, now: float, message: Message, sender: Sender) -> None:
        """Keep a message that is due ``ahead_s`` after ``now``.

        Raises:
            CommandError: that is too far ahead, or too much is held already.
        """
        if ahead_s > FARTHEST_S:
            raise CommandError(
                f"{message.address[:80]}: its time tag lies {ahead_s:.0f} s ahead, at most "
                f"{FARTHEST_S:.0f} s are held; set both clocks, or send it when it is due"
            )
        if len(self._heap) >= MOST:
            raise CommandError(f"{message.address[:80]}: {MOST} messages with time tags are held already")
        self._count += 1
        heapq.heappush(self._heap, _Entry(now + ahead_s, self._count, message, sender))

    def due(self, now: float) -> list[tuple[Message, Sender]]:
        """Take out what is due."""
        found = []
        while self._heap and self._heap[0].due <= now:
            entry = heapq.heappop(self._heap)
            found.append((entry.message, entry.sender))
        return found

    @property
    def next_due(self) -> float | None:
        """When the next one is due."""
        return self._heap[0].due if self._heap else None
