"""What an effect is to whoever runs it, whatever made it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rtsep.control import Parameter, Value
from rtsep.errors import ConfigError, RtsepError

Samples = NDArray[np.float32]

LOUDEST = 1e10
"""Of a sample, where full scale is 1: integers of 32 bits fit. What is beyond is no sound, and squares of it
overflow: measured, 1e20 was followed by seconds of samples that are not numbers."""


class EffectError(RtsepError):
    """An effect that cannot go on; its insert lets the sound through from now on."""


class LateError(RtsepError):
    """An effect that has not answered in time, and may yet."""


class NotDueError(LateError):
    """An effect that was switched on a moment ago: the answer to what it has heard since is not due yet."""


class Hops(Protocol):
    """What works hop by hop: a separator."""

    @property
    def hop(self) -> int:
        """Samples."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        ...


@dataclass(frozen=True)
class Format:
    """The sound that an effect is to take."""

    sample_rate: int
    channels: int
    block: int
    """The most samples it is given at once."""

    @classmethod
    def at(cls, separator: Hops, sample_rate: int, channels: int) -> Format:
        """What comes hop by hop of a separator, at another rate."""
        return cls(sample_rate, channels, -(-separator.hop * sample_rate // separator.sample_rate))


@dataclass(frozen=True)
class Knobs:
    """What of an effect turns, under its own names, and how it stands; ``latency_samples`` beside."""

    parameters: tuple[Parameter, ...] = ()
    values: tuple[Value, ...] = ()
    latency_samples: int = 0
    """By so many samples what comes out lags what goes in, always."""
    problem: str = field(default="", kw_only=True)
    """Why the effect could not be loaded."""


class Effect(Protocol):
    """Something that makes sound of sound, as much as it is given, ``knobs.latency_samples`` late."""

    @property
    def knobs(self) -> Knobs:
        """What can be turned, as it stood when it was loaded."""
        ...

    def process(self, block: Samples) -> Samples:
        """Take (channels, n) samples, n at most ``Format.block``; returns as many.

        Raises:
            EffectError: it cannot go on.
            LateError: it has not answered in time.
        """
        ...

    def turn(self, name: str, value: Value) -> None:
        """Set a parameter; returns at once."""
        ...

    def clear(self) -> None:
        """Forget what was heard, and all that still rings of it; returns at once."""
        ...

    def end(self) -> None:
        """It is not needed any more; returns at once."""
        ...


def checked(block: Samples, result: object) -> Samples:
    """What an effect made of a block, if that can be sound.

    Raises:
        EffectError: it is no array, has another shape, or holds what is no number.
    """
    if not isinstance(result, np.ndarray):
        raise EffectError(f"it returned {type(result).__name__} instead of an array")
    if result.shape != block.shape:
        raise EffectError(f"it returned shape {result.shape} instead of {block.shape}")
    if result.dtype.kind not in "fiu":
        raise EffectError(f"it returned {result.dtype} instead of float32")
    if not (np.abs(result) <= LOUDEST).all():
        raise EffectError("it returned samples that are no numbers, or beyond all sound")
    return result.astype(np.float32, copy=False)


def turned(knobs: Knobs, name: str, value: object, title: str) -> Value:
    """A value for one of an effect's knobs, checked.

    Raises:
        ConfigError: there is no such knob, or the value does not fit.
    """
    found = {each.name: each for each in knobs.parameters}
    if name not in found:
        listed = ", ".join(found) or "none"
        raise ConfigError(f"{title} has no parameter {name!r}; it has {listed}")
    try:
        return found[name].check(value)
    except RtsepError as error:
        raise ConfigError(f"{title}: {error}") from error
