"""Every setting as one frozen value, and what is heard of each strip."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from rtsep.control.bindings import Bindings
from rtsep.control.inserts import Insert
from rtsep.control.parameters import PARAMETERS, STRIPS, Parameter, Value
from rtsep.errors import CommandError

FIELDS = {"gain": "gain_db"}
"""Where a field's name says its unit, and the parameter's does not."""


@dataclass(frozen=True)
class Strip:
    """One sound on the console."""

    text: str = ""
    """What it is called; an empty strip does nothing."""
    gain_db: float = 0.0
    enable: bool = True
    """A strip that is off costs the model nothing."""
    mute: bool = False
    solo: bool = False
    """Where any strip is on solo, only those are heard; a negative one then lets hear what it takes away."""
    negative: bool = False
    """Taken away from everything else instead of heard."""

    @property
    def used(self) -> bool:
        """Whether the model looks for it."""
        return self.enable and bool(self.text)


@dataclass(frozen=True)
class Residual:
    """Everything that no strip names. Without a strip to hear it is heard in any case, muted or not."""

    gain_db: float = 0.0
    mute: bool = True
    solo: bool = False


@dataclass(frozen=True)
class Console:
    """Every setting that can be turned, as one value."""

    strips: tuple[Strip, ...] = (Strip(),) * STRIPS
    residual: Residual = Residual()
    gain_db: float = 0.0
    wet: float = 1.0
    bypass: bool = False
    full_band: bool = True
    learnt: Bindings = field(default_factory=Bindings)
    """What else turns them."""
    inserts: tuple[Insert, ...] = ()
    """Effects that are loaded; which ones does not change while the engine runs."""

    @classmethod
    def of(cls, keep: Iterable[str], remove: Iterable[str] = ()) -> Console:
        """A console with a strip for each sound to hear and each to take away.

        Raises:
            CommandError: there is none, there are too many, or one is empty or too long.
        """
        strips = [*(Strip(text) for text in keep), *(Strip(text, negative=True) for text in remove)]
        if not strips:
            raise CommandError("no prompt: name a sound to keep or one to remove")
        if len(strips) > STRIPS:
            raise CommandError(f"{len(strips)} prompts, at most {STRIPS} at once")
        for number, strip in enumerate(strips, start=1):
            if not PARAMETERS[f"prompt/{number}/text"].check(strip.text):
                raise CommandError("the prompt is empty: name a sound, such as 'dog barking'")
        return cls(strips=(*strips, *(Strip(),) * (STRIPS - len(strips))))

    @cached_property
    def used(self) -> tuple[int, ...]:
        """Indices, from 0, of the strips that the model looks for."""
        return tuple(index for index, strip in enumerate(self.strips) if strip.used)

    @property
    def gains(self) -> tuple[float, ...]:
        """Linear gain at which each of the ``used`` strips is heard."""
        return tuple(
            0.0 if strip.mute or (not strip.solo if self._solo else strip.negative) else linear(strip.gain_db)
            for strip in map(self.strips.__getitem__, self.used)
        )

    @property
    def residual_gain(self) -> float:
        """Linear gain at which everything else is heard."""
        residual = self.residual
        kept = any(not self.strips[index].negative for index in self.used)
        heard = residual.solo if self._solo else not (residual.mute and kept)
        return linear(residual.gain_db) if heard else 0.0

    @property
    def _solo(self) -> bool:
        return self.residual.solo or any(self.strips[index].solo for index in self.used)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Everything on it that turns, by name: ``PARAMETERS``, and the knobs of its inserts."""
        if not self.inserts:
            return PARAMETERS
        knobs = {each.name: each for insert in self.inserts for each in insert.parameters}
        return PARAMETERS | knobs

    def parameter(self, name: str) -> Parameter:
        """One of ``parameters``.

        Raises:
            CommandError: there is no such parameter.
        """
        found = PARAMETERS.get(name) or self.parameters.get(name)
        if found is None:
            raise CommandError(f"no parameter {name!r}; see the table of parameters in README.md")
        return found

    def __getitem__(self, name: str) -> Value:
        """The value of one of ``parameters``.

        Raises:
            CommandError: there is no such parameter.
        """
        self.parameter(name)
        match name.split("/", 2):
            case ["insert", number, part]:
                return self.inserts[int(number) - 1][part]
            case ["prompt", number, part]:
                value = getattr(self.strips[int(number) - 1], FIELDS.get(part, part))
            case ["residual", part]:
                value = getattr(self.residual, FIELDS.get(part, part))
            case _:
                value = getattr(self, FIELDS.get(name, name))
        assert isinstance(value, float | bool | str)
        return value

    def turned(self, name: str, value: object) -> Console:
        """The console with one of ``parameters`` set.

        Raises:
            CommandError: there is no such parameter, or the value does not fit it.
        """
        good = self.parameter(name).check(value)
        if name.startswith("insert/"):
            _, number, part = name.split("/", 2)
            index = int(number) - 1
            insert = self.inserts[index].turned(part, good)
            return replace(self, inserts=(*self.inserts[:index], insert, *self.inserts[index + 1 :]))
        *above, part = name.split("/")
        new: dict[str, Any] = {FIELDS.get(part, part): good}
        match above:
            case ["prompt", number]:
                index = int(number) - 1
                strip = replace(self.strips[index], **new)
                return replace(self, strips=(*self.strips[:index], strip, *self.strips[index + 1 :]))
            case ["residual"]:
                return replace(self, residual=replace(self.residual, **new))
        return replace(self, **new)

    def items(self) -> Iterator[tuple[str, Value]]:
        """Every parameter with its value."""
        return ((name, self[name]) for name in self.parameters)

    def changes(self, other: Console) -> dict[str, Value]:
        """What ``other`` has different, by name."""
        return {name: value for name, value in other.items() if value != self[name]}

    def __str__(self) -> str:
        """The prompts in use, as a person would write them."""
        used = [self.strips[index] for index in self.used]
        return " + ".join(f"(not) {strip.text}" if strip.negative else strip.text for strip in used) or "-"


def linear(gain_db: float) -> float:
    """Decibels to an amplitude factor."""
    return math.pow(10.0, gain_db / 20)
