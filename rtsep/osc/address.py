"""What can be set and done at which OSC address: parameters and actions, made from the tables alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rtsep.control import (
    PARAMETERS,
    Command,
    Console,
    Learn,
    LoadPreset,
    Parameter,
    Quit,
    Record,
    ResetCounts,
    SavePreset,
    SetParameter,
    StepPreset,
    Unlearn,
    Value,
)
from rtsep.errors import CommandError
from rtsep.osc.packet import Sendable

ROOT = "/rtsep"
"""Every address begins with it."""

ERROR = f"{ROOT}/error"
"""Where errors are sent to; one that comes in is never answered, or two servers would talk for ever."""

LEARN, LEARNING = f"{ROOT}/learn", f"{ROOT}/learning"
"""What is bound, and what waits to be."""

SHORT = {f"{ROOT}/prompt": f"{ROOT}/prompt/1/text"}
"""Addresses that stand for another one."""


def address_of(name: str) -> str:
    """The address of a parameter or reading."""
    return f"{ROOT}/{name}"


PARAMETER_AT: dict[str, Parameter] = {address_of(name): each for name, each in PARAMETERS.items()}
"""Address to parameter."""


def _has_fader(parameter: Parameter) -> bool:
    """Whether it is no number from 0 to 1 already."""
    return parameter.kind is float and (parameter.low, parameter.high) != (0.0, 1.0)


FADER_AT: dict[str, Parameter] = {
    f"{address}/fader": parameter for address, parameter in PARAMETER_AT.items() if _has_fader(parameter)
}
"""Address to parameter, for those who can only send 0 to 1: the ends of the parameter's range."""


def parameter_at(address: str, console: Console) -> Parameter | None:
    """The parameter at an address: of the table, or a knob of one of the console's inserts."""
    found = PARAMETER_AT.get(address)
    if found is None and address.startswith(f"{ROOT}/insert/"):
        found = console.parameters.get(address.removeprefix(f"{ROOT}/"))
    return found


def fader_at(address: str, console: Console) -> Parameter | None:
    """The parameter that a position from 0 to 1 moves at an address."""
    found = FADER_AT.get(address)
    if found is None and address.startswith(f"{ROOT}/insert/") and address.endswith("/fader"):
        parameter = parameter_at(address.removesuffix("/fader"), console)
        found = parameter if parameter is not None and _has_fader(parameter) else None
    return found


def settable(console: Console) -> list[str]:
    """Where a parameter stands, without the faders."""
    return [address_of(name) for name in console.parameters]


def faders(console: Console) -> list[str]:
    """Where a fader stands."""
    return [f"{address_of(each.name)}/fader" for each in console.parameters.values() if _has_fader(each)]


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


def setting(address: str, arguments: tuple[object, ...], console: Console) -> SetParameter | None:
    """The command that sets the parameter, or moves the fader, at an address; None if neither is there.

    Raises:
        CommandError: the value does not fit it.
    """
    if (fader := fader_at(address, console)) is not None:
        return SetParameter(fader.name, fader.at(number_of(address, arguments)))
    parameter = parameter_at(address, console)
    if parameter is None:
        return None
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
    LEARN: Action(
        "s",
        "bind the MIDI control or unknown address that moves next to this parameter; empty: none",
        lambda name: Learn(str(name)),
        LEARNING,
    ),
    f"{ROOT}/unlearn": Action(
        "s",
        "forget the controls of a parameter, or a control; * for all",
        lambda what: Unlearn(str(what)),
        LEARN,
    ),
    f"{ROOT}/quit": Action("", "stop the engine, and finalise what is being written", lambda _: Quit()),
}
"""Address to action."""
