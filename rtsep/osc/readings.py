"""What can only be read at which OSC address: of the engine's status, and of the desk."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, chain

from rtsep.control import Level, Parameter, Status
from rtsep.osc.address import (
    LEARN,
    LEARNING,
    ROOT,
    SHORT,
    address_of,
    fader_at,
    parameter_at,
    settable,
    types_of,
    values_of,
)
from rtsep.osc.desk import Desk
from rtsep.osc.packet import LARGEST, Sendable

Values = tuple[Sendable, ...]

RANGE = "range"
"""Behind the address of an insert's knob: its type, lowest and highest value, unit, words, and choices."""

INSERT_HELP = "an effect: its name, its place, and why it is bypassed, if it is"
RANGE_HELP = "of a knob: type, lowest, highest, unit, words, choices"

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
    f"{ROOT}/separator": Reading(
        "s", "the separator that runs, chosen when the engine starts", lambda now, _: (now.separator,)
    ),
    f"{ROOT}/latency": Reading("f", "from input to output", lambda now, _: (now.latency_ms,), "ms"),
    f"{ROOT}/load": Reading("f", "share of real time that the model takes", lambda now, _: (now.load,)),
    f"{ROOT}/dropouts": Reading("i", "callbacks without anything to play", lambda now, _: (now.dropouts,)),
    f"{ROOT}/fault": Reading("s", "what is wrong just now; empty: nothing", lambda now, _: (now.fault,)),
    f"{ROOT}/overload": Reading(
        "s",
        "that the machine is too slow, and what is done without; empty: it keeps up",
        lambda now, _: (now.overload,),
    ),
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


def readable(status: Status, desk: Desk) -> list[str]:
    """Where something can only be read."""
    return [*READINGS, *terms(status), *inserted(status, desk)]


def everything(status: Status, desk: Desk) -> list[str]:
    """Where something can be read."""
    return [*settable(desk.console), *ranges(desk), *readable(status, desk)]


def value(address: str, status: Status, desk: Desk) -> Values:
    """What is read at an address of ``everything``, or at another one for the same.

    Raises:
        KeyError: there is nothing.
    """
    address = SHORT.get(address, address)
    console = desk.console
    if (parameter := parameter_at(address, console)) is not None:
        return values_of(console[parameter.name])
    if (fader := fader_at(address, console)) is not None:
        return (fader.position(console[fader.name]),)
    if address in READINGS:
        return READINGS[address].read(status, desk)
    if address.endswith(f"/{RANGE}"):
        return range_of(console.parameter(address.removeprefix(f"{ROOT}/").removesuffix(f"/{RANGE}")))
    if address.startswith(f"{ROOT}/insert/"):
        return inserted(status, desk)[address]
    return (terms(status)[address],)


def inserted(status: Status, desk: Desk) -> dict[str, Values]:
    """``/rtsep/insert/N`` for each effect: its name, its place, and why it is bypassed, or nothing."""
    faults = dict(enumerate(status.insert_faults, start=1))
    return {
        f"{ROOT}/insert/{each.number}": (each.spec.title, each.spec.place, faults.get(each.number, ""))
        for each in desk.console.inserts
    }


def ranges(desk: Desk) -> dict[str, Values]:
    """What is read behind the address of each knob of an effect."""
    knobs = (knob for each in desk.console.inserts for knob in each.knobs)
    return {f"{address_of(knob.name)}/{RANGE}": range_of(knob) for knob in knobs}


def range_of(knob: Parameter) -> Values:
    """What a program needs to draw a knob that it does not know."""
    return (types_of(knob), knob.low, knob.high, knob.unit, knob.help, *knob.choices)


def terms(status: Status) -> dict[str, float]:
    """``/rtsep/latency/TERM`` in milliseconds, for each term of the latency."""
    return {term_address(term): ms for term, ms in status.latency_terms_ms.items()}


def term_address(term: str) -> str:
    """The address of a term of the latency budget: what OSC keeps for patterns becomes ``_``."""
    return f"{ROOT}/latency/{re.sub(r'[^A-Za-z0-9_.-]', '_', term)}"
