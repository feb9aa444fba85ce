"""Who is told of changes, and of what moves: a bounded number, each for an hour since its host last spoke."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Sender = tuple[str, int]
"""Host and port that a datagram came from, or goes to."""

MOST = 32
"""Subscriptions at once; for one more, the one that was asked for the longest time ago makes way."""

LEASE_S = 3600.0
"""A subscription ends when nothing at all came from its host for so long."""

FASTEST = 30.0
"""Meters, or spectra, a second."""

METERS, SPECTRUM = "meters", "spectrum"
"""The streams: what moves all the time, and is sent at a rate to those who ask for it."""


@dataclass
class _Stream:
    period: float
    due: float


@dataclass
class _Subscription:
    asked: float
    heard: float
    streams: dict[str, _Stream] = field(default_factory=dict)


class Subscribers:
    """The subscriptions; times are seconds of a clock that never jumps."""

    def __init__(self) -> None:
        self._all: dict[Sender, _Subscription] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Sender]:
        return iter(tuple(self._all))

    def __contains__(self, address: Sender) -> bool:
        return address in self._all

    def add(self, address: Sender, now: float) -> Sender | None:
        """Subscribe, or renew; returns who had to make way."""
        old = self._all.pop(address, None)
        self._all[address] = old or _Subscription(now, now)
        self._all[address].asked = self._all[address].heard = now
        if len(self._all) <= MOST:
            return None
        oldest = min(self._all, key=lambda each: self._all[each].asked)
        del self._all[oldest]
        return oldest

    def remove(self, address: Sender) -> None:
        """Unsubscribe."""
        self._all.pop(address, None)

    def set_rate(self, address: Sender, stream: str, a_second: float, now: float) -> None:
        """Send a subscriber one of the streams so often, or never if 0."""
        streams = self._all[address].streams
        if a_second:
            streams[stream] = _Stream(1 / a_second, now)
        else:
            streams.pop(stream, None)

    def heard(self, host: str, now: float) -> None:
        """Renew what a host has subscribed to: any message of it will do."""
        for address, subscription in self._all.items():
            if address[0] == host:
                subscription.heard = now

    def expired(self, now: float) -> list[Sender]:
        """End, and name, those whose time is over."""
        over = [address for address, each in self._all.items() if now - each.heard > LEASE_S]
        for address in over:
            del self._all[address]
        return over

    def due(self, now: float) -> list[tuple[Sender, str]]:
        """Those who get one of the streams now, and which."""
        found = []
        for address, subscription in self._all.items():
            for name, stream in subscription.streams.items():
                if stream.due <= now:
                    # A beat that was missed is left out, not made up for.
                    stream.due = max(stream.due + stream.period, now + stream.period / 2)
                    found.append((address, name))
        return found

    def next_due(self) -> float | None:
        """When the next of the streams is due."""
        streams = (stream for subscription in self._all.values() for stream in subscription.streams.values())
        return min((stream.due for stream in streams), default=None)
