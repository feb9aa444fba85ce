"""Effects on the console: how one is asked for, and what it is once it is loaded.

``[PLACE:]EFFECT[:NAME=VALUE,...]``, or a table ``[[insert]]`` of a preset::

    Compressor:threshold_db=-18                    on the sum
    in:NoiseGate:threshold_db=-50,ratio=4          before the separator
    prompt/2:/usr/lib/vst3/ZamCompX2.vst3          on strip 2
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from rtsep.control.parameters import STRIPS, Parameter, Value
from rtsep.errors import CommandError, ConfigError

BEFORE, AFTER = "in", "out"
PLACES = (BEFORE, *(f"prompt/{number}" for number in range(1, STRIPS + 1)), AFTER)
"""Where an effect can stand: before the separator, on a strip, on the sum."""

MOST_INSERTS = 16

KNOB = re.compile(r"insert/\d{1,2}/(enable|param/[A-Za-z0-9_.-]+)")
"""The name of something that turns on an insert, loaded or not."""

_KEYS = ("effect", "place", "enable", "param")


@dataclass(frozen=True)
class InsertSpec:
    """An effect as somebody asks for it; nothing has been loaded."""

    effect: str
    """Name of a built-in one, or path of a plugin."""
    place: str = AFTER
    settings: tuple[tuple[str, Value], ...] = ()
    enable: bool = True

    @classmethod
    def parse(cls, text: str) -> InsertSpec:
        """What ``--insert`` takes.

        Raises:
            ConfigError: it has no such form.
        """
        place, colon, rest = text.partition(":")
        if not colon or place not in PLACES:
            _refuse_place(place if colon else "", text)
            place, rest = AFTER, text
        effect, colon, listed = rest.rpartition(":")
        if not colon or "=" not in listed:
            effect, listed = rest, ""
        if not effect:
            raise ConfigError(
                f"--insert {text!r}: name an effect or a plugin's path, such as Compressor:threshold_db=-18"
            )
        settings = []
        for each in filter(None, listed.split(",")):
            name, equals, value = each.partition("=")
            if not equals:
                raise ConfigError(f"--insert {text!r}: {each!r} is no NAME=VALUE")
            settings.append((name.strip(), _value(value.strip())))
        return cls(_from_anywhere(effect), place, tuple(settings))

    @classmethod
    def of(cls, table: object) -> InsertSpec:
        """A table ``[[insert]]`` of a preset.

        Raises:
            CommandError: naming key and what is allowed.
        """
        if not isinstance(table, dict) or not isinstance(table.get("effect"), str) or not table["effect"]:
            raise CommandError('insert needs an effect, such as [[insert]] effect = "Compressor"')
        if unknown := sorted(set(table) - set(_KEYS)):
            raise CommandError(f"unknown key insert.{unknown[0]}; known are {', '.join(_KEYS)}")
        place, enable, settings = table.get("place", AFTER), table.get("enable", True), table.get("param", {})
        if place not in PLACES:
            raise CommandError(f"insert.place is {place!r}, but must be one of {', '.join(PLACES)}")
        if not isinstance(enable, bool):
            raise CommandError(f"insert.enable is {enable!r}, but must be true or false")
        if not isinstance(settings, dict) or not all(
            isinstance(value, bool | int | float | str) for value in settings.values()
        ):
            raise CommandError("insert.param must be a table of numbers, switches and words")
        return cls(_from_anywhere(table["effect"]), place, tuple(settings.items()), enable)

    @property
    def title(self) -> str:
        """What a person calls it."""
        return PurePath(self.effect).stem

    @property
    def where(self) -> str:
        """Its place, in words."""
        words = {BEFORE: "before the separator", AFTER: "on the sum"}
        return words.get(self.place) or f"on strip {self.place.removeprefix('prompt/')}"


@dataclass(frozen=True)
class Insert:
    """An effect that is loaded, and how its knobs stand."""

    number: int
    """From 1, in the order in which they were asked for."""
    spec: InsertSpec
    knobs: tuple[Parameter, ...]
    """Called ``insert/N/param/NAME``."""
    values: tuple[Value, ...]
    enable: bool = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Everything about it that turns."""
        enable = Parameter(f"insert/{self.number}/enable", f"0 leaves {self.spec.title} out", True)
        return (enable, *self.knobs)

    def __getitem__(self, part: str) -> Value:
        """The value of the parameter whose name ends so: ``enable`` or ``param/NAME``."""
        return self.enable if part == "enable" else self.values[self._index(part)]

    def turned(self, part: str, value: Any) -> Insert:
        """The same with one parameter set to a value that has been checked."""
        if part == "enable":
            return replace(self, enable=value)
        index = self._index(part)
        return replace(self, values=(*self.values[:index], value, *self.values[index + 1 :]))

    def _index(self, part: str) -> int:
        wanted = f"insert/{self.number}/{part}"
        return next(index for index, knob in enumerate(self.knobs) if knob.name == wanted)

    @property
    def table(self) -> dict[str, Any]:
        """As a table of a preset."""
        names = (knob.name.rpartition("/")[2] for knob in self.knobs)
        spec = self.spec
        given = dict(spec.settings) | dict(zip(names, self.values, strict=True))
        return {"effect": spec.effect, "place": spec.place, "enable": self.enable, "param": given}

    def __str__(self) -> str:
        return f"insert {self.number} ({self.spec.title} {self.spec.where})"


def knob_name(number: int, name: str) -> str:
    """The parameter's name of a knob that its plugin calls ``name``."""
    return f"insert/{number}/param/{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}"


def is_there(path: Path) -> bool:
    """Whether there is a file or folder; one that is too long for a path is not."""
    try:
        return path.exists()
    except OSError:
        return False


def same_rack(running: tuple[Insert, ...], asked: tuple[InsertSpec, ...]) -> dict[str, Value]:
    """The parameters that turn the inserts that run into those that a preset asks for.

    Raises:
        CommandError: they are others; those are loaded at the start alone, since the latency is promised.
    """
    have = [(insert.spec.place, insert.spec.effect) for insert in running]
    want = [(spec.place, spec.effect) for spec in asked]
    if want and have != want:
        listed = ", ".join(f"{place}:{effect}" for place, effect in want)
        raise CommandError(f"the preset wants other inserts ({listed}): start with it (--preset)")
    values: dict[str, Value] = {}
    for insert, spec in zip(running, asked, strict=False):
        values[f"insert/{insert.number}/enable"] = spec.enable
        known = {knob.name for knob in insert.knobs}
        given = {knob_name(insert.number, name): value for name, value in spec.settings}
        values |= {name: value for name, value in given.items() if name in known}
    return values


def _from_anywhere(effect: str) -> str:
    """An effect, the path of a file as it is found from any folder: a preset may be loaded in another."""
    path = Path(effect)
    return str(path.absolute()) if path.suffix and is_there(path) else effect


def _refuse_place(place: str, text: str) -> None:
    """Tell a place that is none from an effect's name or a path."""
    if re.fullmatch(r"prompt(/.*)?|input|output|sum|strip.*", place):
        raise ConfigError(f"--insert {text!r}: no place {place!r}; places are {', '.join(PLACES)}")


def _value(text: str) -> Value:
    """A number or switch where it reads as one, otherwise words."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text
