"""What can only be read at which OSC address: of the engine's status, and of the desk."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, chain

from rtsep.control import Level, Status
from rtsep.osc.address import FADER_AT, LEARN, LEARNING, PARAMETER_AT, ROOT, SHORT, values_of
from rtsep.osc.desk import Desk
from rtsep.osc.packet import LARGEST, Sendable

Values = tuple[Sendable, ...]

LIST = LARGEST * 3 // 4
"""Bytes of a list that are sent: what is longer fits no datagram."""


@dataclass(frozen=True)
class Reading:
    """Something that can only be read."""

    types: str
    """OSC type tags; with dots behind them for as many as there are."""
    help: str
    read: Callable[[Status, Desk], Values]
    unit: str = ""


def _level(level: Level) -> Values:
    return (level.peak_db, level.rms_db, level.clipped)


def _names(_: Status, desk: Desk) -> Values:
    names = desk.presets.names()
    sizes = accumulate(len(name.encode()) + 8 for name in names)
    return tuple(name for name, size in zip(names, sizes, strict=True) if size < LIST)


READINGS: dict[str, Reading] = {
    f"{ROOT}/preset": Reading("s", "the preset loaded last", lambda _, desk: (desk.preset,)),
    f"{ROOT}/presets": Reading("s...", "the names of all presets", _names),
    LEARN: Reading(
        "ss...",
        "every control that is bound, and after each the parameter that it turns",
        lambda _, desk: tuple(chain.from_iterable(desk.console.learnt)),
    ),
    LEARNING: Reading("s", "the parameter that waits for a control", lambda _, desk: (desk.learning,)),
    f"{ROOT}/record": Reading("i", "whether it is recording", lambda now, _: (int(bool(now.recording)),)),
    f"{ROOT}/latency": Reading("f", "from input to output", lambda now, _: (now.latency_ms,), "ms"),
    f"{ROOT}/load": Reading("f", "share of real time that the model takes", lambda now, _: (now.load,)),
    f"{ROOT}/dropouts": Reading("i", "callbacks without anything to play", lambda now, _: (now.dropouts,)),
    f"{ROOT}/seconds": Reading("f", "sound processed so far", lambda now, _: (now.seconds,), "s"),
    f"{ROOT}/meter/in": Reading(
        "ffi", "input: peak, RMS, clipped samples", lambda now, _: _level(now.level_in), "dB"
    ),
    f"{ROOT}/meter/out": Reading(
        "ffi", "output: peak, RMS, clipped samples", lambda now, _: _level(now.level_out), "dB"
    ),
}
"""Address to what is read there; the terms of the latency come on top, see :func:`terms`."""

MOVING = (f"{ROOT}/meter/in", f"{ROOT}/meter/out", f"{ROOT}/load", f"{ROOT}/seconds")
"""What moves all the time and is sent only to those who ask for meters."""

FILES = (f"{ROOT}/presets",)
"""What is looked up on the disk, and so only when somebody asks or has saved something."""


def readable(status: Status) -> list[str]:
    """Where something can only be read."""
    return [*READINGS, *terms(status)]


def everything(status: Status) -> list[str]:
    """Where something can be read."""
    return [*PARAMETER_AT, *readable(status)]


def value(address: str, status: Status, desk: Desk) -> Values:
    """What is read at an address of ``everything``, or at another one for the same.

    Raises:
        KeyError: there is nothing.
    """
    address = SHORT.get(address, address)
    if address in PARAMETER_AT:
        return values_of(desk.console[PARAMETER_AT[address].name])
    if address in FADER_AT:
        parameter = FADER_AT[address]
        return (parameter.position(desk.console[parameter.name]),)
    reading = READINGS.get(address)
    return (terms(status)[address],) if reading is None else reading.read(status, desk)


def terms(status: Status) -> dict[str, float]:
    """``/rtsep/latency/TERM`` in milliseconds, for each term of the latency."""
    return {term_address(term): ms for term, ms in status.latency_terms_ms}


def term_address(term: str) -> str:
    """The address of a term of the latency budget: what OSC keeps for patterns becomes ``_``."""
    return f"{ROOT}/latency/{re.sub(r'[^A-Za-z0-9_.-]', '_', term)}"
