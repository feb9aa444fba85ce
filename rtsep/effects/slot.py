"""One insert: an effect that is watched, and beside it the untouched sound, equally late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtsep.control import Insert, Value
from rtsep.effects.protocol import Effect, EffectError, Format, LateError, NotDueError, Samples, checked

FADE_S = 0.01
"""From the effect to the untouched sound, or back."""


class Delay:
    """Samples (n, channels), later by a constant number of them."""

    def __init__(self, samples: int, channels: int) -> None:
        self.samples = samples
        self._kept = np.zeros((samples, channels), np.float32)

    def push(self, x: Samples) -> Samples:
        """As many samples as were given."""
        if not self.samples:
            return x
        joined = np.concatenate([self._kept, x])
        self._kept = joined[len(x) :]
        return joined[: len(x)]


class Slot:
    """An insert at work; the audio worker's, but for ``fault``, which may be read from any thread.

    An effect that raises, is late, or returns what is no sound, is left out from that block on. What
    was heard last glides into the untouched sound, so that it does not click.

    Args:
        effect: loaded.
        insert: what it is on the console.
        form: the sound it takes.
    """

    def __init__(self, effect: Effect, insert: Insert, form: Format) -> None:
        self.insert, self.fault = insert, ""
        self._effect, self._block = effect, form.block
        self._dry = Delay(effect.knobs.latency_samples, form.channels)
        own = (knob.name for knob in effect.knobs.parameters)
        self._names = dict(zip((knob.name for knob in insert.knobs), own, strict=True))
        self._step = 1 / (FADE_S * form.sample_rate)
        self._share = 1.0 if insert.enable else 0.0
        self._last = np.zeros(form.channels, np.float32)  # how far the effect was from the untouched sound
        self._gone = False
        self._rested = False  # it has not been fed, as it was switched off

    @property
    def latency_samples(self) -> int:
        """By so much it delays, at work or not."""
        return self._dry.samples

    def turn(self, insert: Insert) -> None:
        """Have its knobs stand so."""
        if insert is self.insert:
            return
        for knob, old, new in zip(insert.knobs, self.insert.values, insert.values, strict=True):
            if old != new:
                self._turn(self._names[knob.name], new)
        self.insert = insert

    def process(self, x: Samples) -> Samples:
        """Take (n, channels) samples; returns as many, ``latency_samples`` late."""
        x = np.asarray(x, np.float32)
        if len(x) <= self._block:
            return self._piece(x)
        pieces = (x[start : start + self._block] for start in range(0, len(x), self._block))
        return np.concatenate([self._piece(piece) for piece in pieces])

    def _piece(self, x: Samples) -> Samples:
        if not len(x):
            return x
        dry, wet = self._dry.push(x), None
        wanted = 1.0 if self.insert.enable and not self._gone else 0.0
        if wanted and not self._share and self._rested:
            self._clear()
        self._rested = not wanted and not self._share
        if not self._rested and not self._gone:
            wet = self._asked(x)
        if wet is None:
            return self._left(dry)
        if wanted == self._share == 1.0:
            self._last = wet[-1] - dry[-1]
            return wet
        share = self._ramp(wanted, len(x))[:, None]
        result: Samples = (dry + share * (wet - dry)).astype(np.float32)
        self._last = result[-1] - dry[-1]
        return result

    def _asked(self, x: Samples) -> Samples | None:
        """What the effect makes of it; None if it makes nothing of it."""
        block = np.ascontiguousarray(x.T)
        try:
            result = checked(block, self._effect.process(block)).T
            self.fault = ""
            return result
        except NotDueError:
            self.fault = ""
        except LateError as error:
            self.fault = f"{self.insert} is bypassed until it answers: {error}"
        except EffectError as error:
            self._end(str(error))
        except Exception as error:  # whatever an effect may raise, the sound goes on
            self._end(f"it raised {type(error).__name__}: {error}")
        return None

    def _turn(self, name: str, value: Value) -> None:
        if self._gone:
            return
        try:
            self._effect.turn(name, value)
        except Exception as error:  # as above
            self._end(f"{name} = {value!r} made it raise {type(error).__name__}: {error}")

    def _clear(self) -> None:
        """It is switched on again: what it heard before has nothing to do with what comes."""
        try:
            self._effect.clear()
        except Exception as error:  # as above
            self._end(f"it raised {type(error).__name__}: {error}")

    def _end(self, why: str) -> None:
        self.fault = f"{self.insert} is bypassed: {' '.join(why.split())}"
        self._gone = True
        self._effect.end()

    def _left(self, dry: Samples) -> Samples:
        """The untouched sound, from where the effect was heard last."""
        self._share = 0.0
        if not self._last.any():
            return dry
        fall = np.maximum(0.0, 1.0 - self._step * np.arange(1, len(dry) + 1))[:, None]
        result: Samples = (dry + fall * self._last).astype(np.float32)
        self._last = (self._last * fall[-1]).astype(np.float32)
        return result

    def _ramp(self, wanted: float, count: int) -> NDArray[np.float64]:
        """The effect's share over the next samples, on its way to what is wanted."""
        reach = self._step * np.arange(1, count + 1)
        values: NDArray[np.float64] = self._share + np.clip(wanted - self._share, -reach, reach)
        self._share = float(values[-1])
        return values
