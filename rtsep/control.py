"""The vocabulary of the control path: parameters, the console they make up, commands, status.

Whoever wants something (command line, OSC, panel, preset) submits a frozen command; whoever wants to
know something reads a frozen console or status. Every surface is made from ``PARAMETERS``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rtsep.errors import CommandError

STRIPS = 8
"""Channel strips, and so prompts, at once."""

LONGEST_PROMPT = 300
"""Characters; a text encoder reads about the first 250 words, a sound is named in fewer than ten."""

OSC_PORT = 7770
"""Where an engine listens unless told otherwise; DAWs and panels use others (8000, 9000, 11000, 3819)."""

Value = float | bool | str
"""What a parameter can be: a number, a switch or words."""


@dataclass(frozen=True)
class Parameter:
    """Something that can be turned while the engine runs."""

    name: str
    """Path of the OSC address under ``/rtsep/``; ``prompt/2/gain`` is the gain of strip 2."""
    help: str
    default: Value
    low: float = 0.0
    high: float = 1.0
    unit: str = ""

    @property
    def kind(self) -> type[float] | type[bool] | type[str]:
        """What its values are."""
        return type(self.default)

    def check(self, value: object) -> Value:
        """The value as this parameter holds it: numbers become switches and the other way round.

        Raises:
            CommandError: it is of another kind, or out of range.
        """
        if self.kind is str:
            if not isinstance(value, str):
                raise CommandError(f"{self.name} is {value!r}, but must be words")
            words = " ".join(value.split())
            if not words.isprintable():
                raise CommandError(f"{self.name} is {value!r}, but must be words that can be printed")
            if len(words) > LONGEST_PROMPT:
                raise CommandError(
                    f"{self.name} has {len(words)} characters, at most {LONGEST_PROMPT} are read: "
                    "name the sound in a few words"
                )
            return words
        if not isinstance(value, bool | int | float):
            raise CommandError(f"{self.name} is {value!r}, but must be a number")
        if self.kind is bool:
            if value not in (0, 1):
                raise CommandError(f"{self.name} is {value!r}, but must be on or off (1 or 0)")
            return bool(value)
        if not self.low <= value <= self.high:  # false for NaN as well
            span = f"{self.low:g} to {self.high:g} {self.unit}".rstrip()
            raise CommandError(f"{self.name} is {value:g}, but must be from {span}")
        return float(value)


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

    @property
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

    def __getitem__(self, name: str) -> Value:
        """The value of one of ``PARAMETERS``.

        Raises:
            CommandError: there is no such parameter.
        """
        if name not in PARAMETERS:
            raise CommandError(f"no parameter {name!r}; see the table of parameters in README.md")
        match name.split("/"):
            case ["prompt", number, part]:
                value = getattr(self.strips[int(number) - 1], FIELDS.get(part, part))
            case ["residual", part]:
                value = getattr(self.residual, FIELDS.get(part, part))
            case _:
                value = getattr(self, FIELDS.get(name, name))
        assert isinstance(value, float | bool | str)
        return value

    def turned(self, name: str, value: object) -> Console:
        """The console with one of ``PARAMETERS`` set.

        Raises:
            CommandError: there is no such parameter, or the value does not fit it.
        """
        if name not in PARAMETERS:
            raise CommandError(f"no parameter {name!r}; see the table of parameters in README.md")
        good = PARAMETERS[name].check(value)
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
        return ((name, self[name]) for name in PARAMETERS)

    def changes(self, other: Console) -> dict[str, Value]:
        """What ``other`` has different, by name."""
        return {name: value for name, value in other.items() if value != self[name]}

    def __str__(self) -> str:
        """The prompts in use, as a person would write them."""
        used = [self.strips[index] for index in self.used]
        return " + ".join(f"(not) {strip.text}" if strip.negative else strip.text for strip in used) or "-"


FIELDS = {"gain": "gain_db"}
"""Where a field's name says its unit, and the parameter's does not."""


def linear(gain_db: float) -> float:
    """Decibels to an amplitude factor."""
    return math.pow(10.0, gain_db / 20)


def _gain(name: str, help: str) -> Parameter:
    return Parameter(name, help, 0.0, -60.0, 24.0, "dB")


def _strip(number: int) -> tuple[Parameter, ...]:
    return (
        Parameter(f"prompt/{number}/text", "what this strip is to find, in words", ""),
        _gain(f"prompt/{number}/gain", "level of this sound"),
        Parameter(f"prompt/{number}/enable", "0 takes the strip out of use: the model no longer looks", True),
        Parameter(f"prompt/{number}/mute", "1 silences the strip", False),
        Parameter(f"prompt/{number}/solo", "1 lets only strips on solo be heard", False),
        Parameter(f"prompt/{number}/negative", "1 takes the sound away instead of keeping it", False),
    )


PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        *(parameter for number in range(1, STRIPS + 1) for parameter in _strip(number)),
        _gain("residual/gain", "level of everything that no strip names"),
        Parameter("residual/mute", "0 lets everything else be heard beside the strips", True),
        Parameter("residual/solo", "1 lets only everything else be heard", False),
        _gain("gain", "level of the whole result"),
        Parameter("wet", "the result against the untouched input", 1.0, 0.0, 1.0),
        Parameter("bypass", "1 lets the input through, delayed to match", False),
        Parameter("full_band", "1 keeps what lies above the model's band, following the mask", True),
    )
}
"""Everything that turns, by name: the one table behind every surface."""


@dataclass(frozen=True)
class SetParameter:
    """Turn one of ``PARAMETERS``."""

    name: str
    value: Value


@dataclass(frozen=True)
class LoadPreset:
    """Take a preset's console: one that ships with rtsep, or one of the user's folder."""

    name: str


@dataclass(frozen=True)
class StepPreset:
    """Go on to the next preset (1) or back to the previous one (-1), in alphabetical order, around."""

    by: int


@dataclass(frozen=True)
class SavePreset:
    """Write the console as it stands to the user's folder, under a name."""

    name: str


@dataclass(frozen=True)
class Record:
    """Start or stop recording input and output to files."""

    on: bool


@dataclass(frozen=True)
class ResetCounts:
    """Count dropouts and clipped samples from zero again."""


Command = SetParameter | LoadPreset | StepPreset | SavePreset | Record | ResetCounts


@dataclass(frozen=True)
class Level:
    """How loud one channel was over the last moment, dBFS, and whether it reached full scale."""

    peak_db: float = -120.0
    rms_db: float = -120.0
    clipped: int = 0
    """Samples at full scale or above, counted since the last ``ResetCounts``."""


@dataclass(frozen=True)
class Status:
    """What the engine is doing, at one moment."""

    console: Console = field(default_factory=Console)
    preset: str = ""
    """The preset loaded last."""
    seconds: float = 0.0
    """Sound processed so far."""
    hops: int = 0
    dropouts: int = 0
    """Callbacks that found nothing to play."""
    load: float = 0.0
    """Share of real time that the model takes, over the last second or so."""
    level_in: Level = Level()
    level_out: Level = Level()
    latency_ms: float = 0.0
    latency_terms_ms: tuple[tuple[str, float], ...] = ()
    """The latency budget, term by term."""
    bad_samples: int = 0
    """Input samples that were NaN or infinite and were taken as zero."""
    recording: str = ""
    """Folder being recorded to."""
    sample_rate: int = 0
    """Of the device."""

    @property
    def prompt(self) -> str:
        """The prompts in use, as a person would write them."""
        return str(self.console)
