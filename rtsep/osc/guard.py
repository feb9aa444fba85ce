"""Who may speak, and how many errors are worth telling."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache

from rtsep.errors import ConfigError

ERRORS_A_SECOND = 10.0
"""Errors sent to one host, in the long run; a flood of nonsense must not become a flood of answers."""

ERRORS_AT_ONCE = 20
"""Errors sent to one host before that counts."""

MOST_HOSTS = 64
"""Hosts whose errors are counted; the one that erred the longest time ago is forgotten for a new one."""


class Guard:
    """The senders that are listened to.

    Args:
        host: what the server is bound to.
        allow: addresses and networks ("192.168.1.7", "10.0.0.0/8"). Needed, and used, only where ``host``
            can be reached from elsewhere; this computer itself may always speak.

    Raises:
        ConfigError: an address that is none, or none where one is needed.
    """

    def __init__(self, host: str, allow: Iterable[str] = ()) -> None:
        try:
            networks = tuple(ipaddress.ip_network(each, strict=False) for each in allow)
        except ValueError as error:
            raise ConfigError(f"OSC senders: {error}; write 192.168.1.7 or 192.168.1.0/24") from error
        own = ipaddress.ip_address(host)
        if not own.is_loopback and not networks:
            raise ConfigError(
                f"OSC on {host} can be reached from elsewhere: say who may send, "
                "by --osc-allow, such as 192.168.1.7 or 192.168.1.0/24"
            )

        @lru_cache(maxsize=256)
        def permits(sender: str) -> bool:
            address = ipaddress.ip_address(sender)
            return address.is_loopback or address == own or any(address in network for network in networks)

        self._permits = permits

    def permits(self, sender: str) -> bool:
        """Whether a host, by its address, is listened to."""
        return self._permits(sender)


class ErrorBudget:
    """How many errors each host is still told: some at once, then a few a second."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, Budget] = OrderedDict()

    def spend(self, host: str, now: float) -> int | None:
        """Whether a host is to be told of an error.

        Returns:
            How many errors it was not told of since the last one, or None if it is not told of this one.
        """
        if host not in self._hosts:
            self._hosts[host] = Budget(ERRORS_AT_ONCE, ERRORS_A_SECOND, now)
        self._hosts.move_to_end(host)
        if len(self._hosts) > MOST_HOSTS:
            self._hosts.popitem(last=False)
        return self._hosts[host].spend(now)


class Budget:
    """So many at once, then so many a second.

    Args:
        at_once: how many are let through before that counts.
        a_second: how many are let through in the long run.
        now: seconds of the clock that ``spend`` is given.
    """

    def __init__(self, at_once: int, a_second: float, now: float) -> None:
        self._most, self._rate = at_once, a_second
        self._left, self._at, self._refused = float(at_once), now, 0

    def spend(self, now: float) -> int | None:
        """Whether one more is let through: how many were refused since the last, or None if it is refused."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            self._refused += 1
            return None
        self._left -= 1
        refused, self._refused = self._refused, 0
        return refused
