"""Datagrams to messages and back: python-osc reads and writes the values, bundles are unpacked here.

python-osc's own reader of bundles never returns from an element of negative size, recurses as deep as
the sender likes, and logs each type it does not know; none of that may reach a live server.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageError
from pythonosc.parsing import osc_types

LARGEST = 16_384
"""Bytes of a datagram that are read; every parameter at once, each prompt at its longest, needs less."""

DEEPEST = 8
"""Bundles inside bundles that are unpacked."""

MOST_ARGUMENTS = 64
"""Arguments of a message that are read; no address takes more than the words of a prompt."""

LONGEST_ADDRESS = 255
"""Characters of an address, or pattern, that are read; rtsep's own are shorter than 30."""

KNOWN_TYPES = frozenset(b"ifsbhdrmtTFN[]")
"""Type tags that python-osc reads without complaining to the log."""

Sendable = float | int | bool | str | bytes
"""What is ever sent: switches go out as 0 or 1, which every program understands."""

_BUNDLE = b"#bundle\x00"
_LARGEST_INT = 2**31 - 1


class MalformedError(Exception):
    """A datagram that is not OSC; never leaves this package."""


@dataclass(frozen=True)
class Message:
    """One OSC message."""

    address: str
    arguments: tuple[object, ...] = ()


@dataclass(frozen=True)
class Timed:
    """A message and when it is due: seconds since 1970, or 0 for at once."""

    due: float
    message: Message


def read(datagram: bytes) -> list[Timed]:
    """The messages of a datagram, in order; inside a bundle none is due before the bundle.

    Raises:
        MalformedError: it is not OSC.
    """
    if len(datagram) > LARGEST:
        raise MalformedError(f"{len(datagram)} bytes, at most {LARGEST} are read")
    return list(_unpack(datagram, 0.0, 0))


def write(address: str, *values: Sendable) -> bytes:
    """A message as a datagram: numbers as f, whole numbers and switches as i, words as s, bytes as b."""
    tags, body = ",", b""
    for value in values:
        if isinstance(value, str):
            tags += "s"
            body += osc_types.write_string(value.replace("\0", " ").encode("utf-8", "replace").decode())
        elif isinstance(value, bytes):
            tags += "b"
            body += osc_types.write_blob(value)
        elif isinstance(value, int):
            tags += "i"
            body += osc_types.write_int(max(-_LARGEST_INT, min(int(value), _LARGEST_INT)))
        else:
            tags += "f"
            body += osc_types.write_float(value)
    return osc_types.write_string(address) + osc_types.write_string(tags) + body


def write_bundle(due: float, *contents: bytes) -> bytes:
    """Messages, or bundles, as one bundle, due at ``due`` seconds since 1970, or at once if that is 0."""
    elements = (osc_types.write_int(len(content)) + content for content in contents)
    return _BUNDLE + osc_types.write_date(due) + b"".join(elements)


def _unpack(data: bytes, due: float, depth: int) -> Iterator[Timed]:
    if not data.startswith(_BUNDLE):
        yield Timed(due, _message(data))
        return
    if depth == DEEPEST:
        raise MalformedError(f"bundles are nested more than {DEEPEST} deep")
    if len(data) < 16:
        raise MalformedError("a bundle without a time tag")
    due = max(due, float(osc_types.get_date(data, 8)[0]))
    at = 16
    while at < len(data):
        if at + 4 > len(data):
            raise MalformedError("a bundle that is cut off")
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size <= 0 or at + size > len(data):
            raise MalformedError(f"a bundle with an element of {size} bytes where {len(data) - at} are left")
        yield from _unpack(data[at : at + size], due, depth + 1)
        at += size


def _message(data: bytes) -> Message:
    if not data.startswith(b"/"):
        raise MalformedError("it begins with neither / nor #bundle")
    _check_types(data)
    try:
        message = OscMessage(data)
        arguments = tuple(message)
    except (MessageError, UnicodeDecodeError, OverflowError, ValueError, struct.error) as error:
        raise MalformedError("its arguments do not fit their types") from error
    return Message(message.address, arguments)


def _check_types(data: bytes) -> None:
    """Refuse what python-osc would log, or take long over, before it sees it."""
    end = data.find(b"\0")
    if end > LONGEST_ADDRESS:
        raise MalformedError(f"an address of {end} characters, at most {LONGEST_ADDRESS} are read")
    start = (end // 4 + 1) * 4
    if data[start : start + 1] != b",":
        return  # very old senders leave the types out where there are no arguments; else python-osc refuses
    tags = data[start + 1 : data.find(b"\0", start)]
    if len(tags) > MOST_ARGUMENTS:
        raise MalformedError(f"{len(tags)} arguments, at most {MOST_ARGUMENTS} are read")
    if unknown := set(tags) - KNOWN_TYPES:
        raise MalformedError(f"arguments of unknown type {bytes(sorted(unknown))!r}")
