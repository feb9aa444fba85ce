"""The vocabulary of the control path: parameters, commands, status.

Whoever wants something (command line, later OSC and the panel) submits a frozen command; whoever
wants to know something reads a frozen status.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtsep.errors import CommandError


@dataclass(frozen=True)
class Parameter:
    """A number or switch that can be turned while the engine runs."""

    name: str
    help: str
    default: float
    low: float
    high: float
    unit: str = ""

    def check(self, value: float) -> float:
        """The value, if it is in range.

        Raises:
            CommandError: it is not.
        """
        if not self.low <= value <= self.high:  # false for NaN as well
            span = f"{self.low:g} to {self.high:g} {self.unit}".rstrip()
            raise CommandError(f"{self.name} is {value:g}, but must be from {span}")
        return float(value)


PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("gain_db", "level of the separated sound", 0.0, -60.0, 24.0, "dB"),
        Parameter("wet", "separated sound against the untouched input", 1.0, 0.0, 1.0),
        Parameter("bypass", "1 lets the input through, delayed to match", 0.0, 0.0, 1.0),
        Parameter("full_band", "1 keeps what lies above the model's band, following the mask", 1.0, 0.0, 1.0),
    )
}
"""Everything that turns, by name: the one table behind every surface."""


@dataclass(frozen=True)
class SetParameter:
    """Turn one of ``PARAMETERS``."""

    name: str
    value: float

    def __post_init__(self) -> None:
        if self.name not in PARAMETERS:
            raise CommandError(f"no parameter {self.name!r}: there are {', '.join(PARAMETERS)}")
        PARAMETERS[self.name].check(self.value)


@dataclass(frozen=True)
class SetPrompts:
    """What is to be heard, and what is to be taken away."""

    keep: tuple[str, ...]
    remove: tuple[str, ...] = ()

    MOST = 8

    def __post_init__(self) -> None:
        if not self.keep and not self.remove:
            raise CommandError("no prompt: name a sound to keep or one to remove")
        if len(self.keep) + len(self.remove) > self.MOST:
            raise CommandError(f"{len(self.keep) + len(self.remove)} prompts, at most {self.MOST} at once")

    def __str__(self) -> str:
        """The prompts as a person would write them."""
        return " + ".join([*self.keep, *(f"(not) {words}" for words in self.remove)])


Command = SetParameter | SetPrompts


@dataclass(frozen=True)
class Status:
    """What the engine is doing, at one moment."""

    prompt: str
    seconds: float = 0.0
    """Sound processed so far."""
    hops: int = 0
    dropouts: int = 0
    """Callbacks that found nothing to play."""
    load: float = 0.0
    """Share of real time that the model takes, over the last second or so."""
    peak_in_db: float = -120.0
    peak_out_db: float = -120.0
    latency_ms: float = 0.0
    bad_samples: int = 0
    """Input samples that were NaN or infinite and were taken as zero."""
