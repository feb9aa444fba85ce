"""The UDP socket of the server."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from rtsep.errors import ConfigError, EngineError
from rtsep.osc.guard import Guard
from rtsep.osc.subscribers import Sender

RECEIVE_BUFFER = 1024 * 1024
"""Bytes that the system is asked to keep (Linux doubles it): the usual 208 KiB lose a quarter of a burst of
2,000 small datagrams, this holds them all; more would only make a flood wait longer."""


def bound(host: str, port: int, allow: Iterable[str]) -> tuple[socket.socket, Guard]:
    """A socket that listens, and who may speak to it.

    Raises:
        ConfigError: the host is no address of this computer, or senders have to be named.
        EngineError: the port is in use.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"OSC on {host!r}: no such address; 127.0.0.1 is this computer alone") from error
    guard = Guard(str(place[0]), allow)
    found = socket.socket(family, kind)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(place)
    except (OSError, OverflowError) as error:
        found.close()
        if getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
            raise ConfigError(f"OSC on {host}: that is no address of this computer") from error
        raise EngineError(
            f"OSC cannot listen on {host} port {port} ({getattr(error, 'strerror', None) or error}): "
            "another program, or another rtsep, may have it; choose another port"
        ) from error
    return found, guard


def is_own(listening: socket.socket, receiver: Sender) -> bool:
    """Whether what is sent to an address comes back in at a listening socket."""
    if receiver[1] != listening.getsockname()[1]:
        return False
    try:
        with socket.socket(listening.family, socket.SOCK_DGRAM) as probe:
            probe.bind((receiver[0], 0))  # only an address of this computer can be bound
    except OSError:
        return False
    return True
