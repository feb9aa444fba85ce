"""The table of everything that can be turned while the engine runs."""

from __future__ import annotations

from dataclasses import dataclass

from rtsep.errors import CommandError

STRIPS = 8
"""Channel strips, and so prompts, at once."""

LONGEST_PROMPT = 300
"""Characters; a text encoder reads about the first 250 words, a sound is named in fewer than ten."""

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
    choices: tuple[str, ...] = ()
    """Of words, the only ones it can be, where there are such."""

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
            if self.choices:
                return self._chosen(value)
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

    def at(self, position: float) -> float:
        """The value at a position of a fader, from 0 to 1.

        Raises:
            CommandError: it is beyond an end.
        """
        if not 0 <= position <= 1:  # false for NaN as well
            raise CommandError(f"a position of {self.name} is {position:g}, but must be from 0 to 1")
        return self.low + position * (self.high - self.low)

    def position(self, value: Value) -> float:
        """Where a number lies between the ends of the range: the opposite of ``at``."""
        return (float(value) - self.low) / (self.high - self.low)

    def _chosen(self, value: str) -> str:
        if value not in self.choices:
            listed = ", ".join(map(repr, self.choices))
            raise CommandError(f"{self.name} is {value[:80]!r}, but must be one of {listed}")
        return value


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
