"""What stands at which OSC address: parameters, actions and readings, made from the tables alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rtsep.control import (
    PARAMETERS,
    Command,
    Level,
    LoadPreset,
    Parameter,
    Record,
    ResetCounts,
    SavePreset,
    SetParameter,
    Status,
    StepPreset,
    Value,
)
from rtsep.errors import CommandError
from rtsep.osc.packet import Sendable

ROOT = "/rtsep"
"""Every address begins with it."""

ERROR = f"{ROOT}/error"
"""Where errors are sent to; one that comes in is never answered, or two servers would talk for ever."""

SHORT = {f"{ROOT}/prompt": f"{ROOT}/prompt/1/text"}
"""Addresses that stand for another one."""


def address_of(name: str) -> str:
    """The address of a parameter or reading."""
    return f"{ROOT}/{name}"


PARAMETER_AT: dict[str, Parameter] = {address_of(name): each for name, each in PARAMETERS.items()}
"""Address to parameter."""


FADER_AT: dict[str, Parameter] = {
    f"{address}/fader": parameter
    for address, parameter in PARAMETER_AT.items()
    if parameter.kind is float and (parameter.low, parameter.high) != (0.0, 1.0)
}
"""Address to parameter, for those who can only send 0 to 1: the ends of the parameter's range."""


def values_of(value: Value) -> tuple[Sendable, ...]:
    """A parameter's value as it is sent: a switch as 0 or 1."""
    return (int(value) if isinstance(value, bool) else value,)


def types_of(parameter: Parameter) -> str:
    """The OSC type tag in which a parameter is sent."""
    return {str: "s", bool: "i", float: "f"}[parameter.kind]


def words_of(address: str, arguments: Iterable[object]) -> str:
    """Words out of one or more arguments: Pure Data sends "dog barking" as two symbols.

    Raises:
        CommandError: there is something else than words and numbers, or no words at all.
    """
    parts = []
    for argument in arguments:
        if not isinstance(argument, str | int | float) or isinstance(argument, bool):
            raise CommandError(f"{address} takes words, not {argument!r}")
        parts.append(argument if isinstance(argument, str) else f"{argument:g}")
    if not any(isinstance(argument, str) for argument in arguments):
        raise CommandError(f"{address} takes words, not {' '.join(parts) or 'nothing'}")
    return " ".join(parts)


def number_of(address: str, arguments: tuple[object, ...]) -> float | bool:
    """The one number or switch that came with an address.

    Raises:
        CommandError: it is of another kind, or there are several.
    """
    if len(arguments) != 1 or not isinstance(arguments[0], bool | int | float):
        got = " ".join(map(repr, arguments)) or "nothing"
        raise CommandError(f"{address} takes one number, not {got}"[:200])
    return arguments[0]


def setting(address: str, arguments: tuple[object, ...]) -> SetParameter:
    """The command that sets the parameter, or moves the fader, at an address.

    Raises:
        CommandError: the value does not fit it.
    """
    if address in FADER_AT:
        parameter, position = FADER_AT[address], number_of(address, arguments)
        if not 0 <= position <= 1:
            raise CommandError(f"{address} is {position:g}, but must be from 0 to 1")
        return SetParameter(parameter.name, parameter.low + position * (parameter.high - parameter.low))
    parameter = PARAMETER_AT[address]
    given = words_of(address, arguments) if parameter.kind is str else number_of(address, arguments)
    return SetParameter(parameter.name, parameter.check(given))


def preset_of(words: str | bool) -> str:
    """The name of a preset, as it may come from elsewhere.

    Raises:
        CommandError: it is a path; those are for the command line, where the user of this computer types.
    """
    name = str(words)
    if "/" in name or "\\" in name or name.startswith("."):
        raise CommandError(
            f"a preset is loaded and saved by its name over OSC, not by a path ({name[:80]!r})"
        )
    return name


@dataclass(frozen=True)
class Action:
    """Something to be done that is not a parameter."""

    types: str
    """Of its argument; empty for a button, which does nothing when it is let go (0)."""
    help: str
    command: Callable[[str | bool], Command]
    answer: str = ""
    """Address whose value is sent back when it is done; its own if empty."""

    def order(self, address: str, arguments: tuple[object, ...]) -> Command | None:
        """The command, or None for a button let go.

        Raises:
            CommandError: the argument does not fit.
        """
        if self.types == "s":
            return self.command(words_of(address, arguments))
        if self.types == "" and not arguments:
            return self.command(True)
        number = number_of(address, arguments)
        if self.types == "" and not number:
            return None
        if number not in (0, 1):
            raise CommandError(f"{address} is {number:g}, but must be on or off (1 or 0)")
        return self.command(bool(number))


ACTIONS: dict[str, Action] = {
    f"{ROOT}/preset": Action("s", "load a preset, by name", lambda name: LoadPreset(preset_of(name))),
    f"{ROOT}/preset/next": Action("", "the next preset", lambda _: StepPreset(1), f"{ROOT}/preset"),
    f"{ROOT}/preset/previous": Action("", "the previous preset", lambda _: StepPreset(-1), f"{ROOT}/preset"),
    f"{ROOT}/preset/save": Action(
        "s", "save the console as a preset", lambda name: SavePreset(preset_of(name)), f"{ROOT}/preset"
    ),
    f"{ROOT}/record": Action(
        "i", "1 starts recording input and output, 0 stops", lambda on: Record(bool(on))
    ),
    f"{ROOT}/reset": Action(
        "", "count dropouts and clipping from 0", lambda _: ResetCounts(), f"{ROOT}/dropouts"
    ),
}
"""Address to action."""


@dataclass(frozen=True)
class Reading:
    """Something that can only be read."""

    types: str
    help: str
    read: Callable[[Status], tuple[Sendable, ...]]
    unit: str = ""


def _level(level: Level) -> tuple[Sendable, ...]:
    return (level.peak_db, level.rms_db, level.clipped)


READINGS: dict[str, Reading] = {
    f"{ROOT}/preset": Reading("s", "the preset loaded last", lambda status: (status.preset,)),
    f"{ROOT}/record": Reading("i", "whether it is recording", lambda status: (int(bool(status.recording)),)),
    f"{ROOT}/latency": Reading("f", "from input to output", lambda status: (status.latency_ms,), "ms"),
    f"{ROOT}/load": Reading("f", "share of real time that the model takes", lambda status: (status.load,)),
    f"{ROOT}/dropouts": Reading("i", "callbacks without anything to play", lambda status: (status.dropouts,)),
    f"{ROOT}/seconds": Reading("f", "sound processed so far", lambda status: (status.seconds,), "s"),
    f"{ROOT}/meter/in": Reading(
        "ffi", "input: peak, RMS, clipped samples", lambda status: _level(status.level_in), "dB"
    ),
    f"{ROOT}/meter/out": Reading(
        "ffi", "output: peak, RMS, clipped samples", lambda status: _level(status.level_out), "dB"
    ),
}
"""Address to what is read there; the terms of the latency come on top, see :func:`readings`."""

MOVING = (f"{ROOT}/meter/in", f"{ROOT}/meter/out", f"{ROOT}/load", f"{ROOT}/seconds")
"""What moves all the time and is sent only to those who ask for meters."""


def readings(status: Status) -> dict[str, tuple[Sendable, ...]]:
    """Every reading with its value: those of the table, and ``/rtsep/latency/TERM`` in milliseconds."""
    found = {address: reading.read(status) for address, reading in READINGS.items()}
    return found | {term_address(term): (ms,) for term, ms in status.latency_terms_ms}


def term_address(term: str) -> str:
    """The address of a term of the latency budget: what OSC keeps for patterns becomes ``_``."""
    return f"{ROOT}/latency/{re.sub(r'[^A-Za-z0-9_.-]', '_', term)}"
