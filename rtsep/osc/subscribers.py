"""Who is told of changes, and of the meters: a bounded number, each for an hour since its host last spoke."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Sender = tuple[str, int]
"""Host and port that a datagram came from, or goes to."""

MOST = 32
"""Subscriptions at once; for one more, the one that was asked for the longest time ago makes way."""

LEASE_S = 3600.0
"""A subscription ends when nothing at all came from its host for so long."""

FASTEST_METERS = 30.0
"""Meters a second."""


@dataclass
class _Subscription:
    asked: float
    heard: float
    meter_period: float = 0.0
    """Seconds between meters; 0 for none."""
    meters_due: float = 0.0


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

    def set_meters(self, address: Sender, a_second: float, now: float) -> None:
        """Send a subscriber meters so often, or never if 0."""
        subscription = self._all[address]
        subscription.meter_period = 1 / a_second if a_second else 0.0
        subscription.meters_due = now

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

    def due(self, now: float) -> list[Sender]:
        """Those who get meters now."""
        found = []
        for address, each in self._all.items():
            if each.meter_period and each.meters_due <= now:
                # A beat that was missed is left out, not made up for.
                each.meters_due = max(each.meters_due + each.meter_period, now + each.meter_period / 2)
                found.append(address)
        return found

    def next_meters(self) -> float | None:
        """When the next meters are due."""
        return min((each.meters_due for each in self._all.values() if each.meter_period), default=None)
