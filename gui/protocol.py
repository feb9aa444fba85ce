"""What goes over the wire: OSC addresses, datagrams to messages and back, and a spectrum as a blob.

The addresses are those of docs/osc.md: ``/rtsep/`` and a name of ``PARAMETERS``, or one of a few words
("preset", "meter/in"). Here they are always written without ``/rtsep/``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rtsep.audio.spectrum import BANDS, HIGHEST_HZ, LOWEST_HZ
from rtsep.control import OSC_PORT
from rtsep.osc.packet import MalformedError, read, write

__all__ = ["BANDS", "FLOOR_DB", "HOST", "PORT", "RATE", "band_edges", "band_of", "decode", "encode"]

ROOT = "/rtsep/"
HOST, PORT = "127.0.0.1", OSC_PORT
"""Where an engine listens if nothing else is said."""
RATE = 30
"""Meter values and spectra a second that the panel asks for, the most the engine sends."""

FLOOR_DB = -120.0


def encode(name: str, *values: float | bool | str | bytes) -> bytes:
    """A message as a datagram: floats as ``f``, whole numbers and switches as ``i``."""
    return write(ROOT + name, *values)


def decode(datagram: bytes) -> Iterator[tuple[str, list[Any]]]:
    """The messages under ``/rtsep/`` in a datagram, bundle or not; nothing if it is not OSC."""
    try:
        found = read(datagram)
    except MalformedError:
        return
    for timed in found:
        address = timed.message.address
        if address.startswith(ROOT):
            yield address.removeprefix(ROOT), list(timed.message.arguments)


def mel(hertz: float) -> float:
    """The mel scale (O'Shaughnessy 1987)."""
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def band_edges() -> list[float]:
    """The borders of the bands in Hz, ``BANDS + 1`` of them, rising."""
    low, high = mel(LOWEST_HZ), mel(HIGHEST_HZ)
    steps = (low + (high - low) * index / BANDS for index in range(BANDS + 1))
    return [700.0 * (math.pow(10.0, step / 2595.0) - 1.0) for step in steps]


def band_of(hertz: float) -> float:
    """Where a frequency lies on the axis of bands: 0 is the lower border of the lowest."""
    low, high = mel(LOWEST_HZ), mel(HIGHEST_HZ)
    return BANDS * (mel(hertz) - low) / (high - low)
