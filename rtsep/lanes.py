"""From the separator's outputs to what is put out: strips through their inserts and faders, and the sum.

Without inserts an output is put out as it is. A strip with an insert leaves the separator by itself and at
full level, so that its effect does not hear the fader; that costs a decoding for each such strip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsep.control import Console
from rtsep.effects.protocol import Samples
from rtsep.effects.rack import Rack

FADE_S = 0.03
"""Time in which a strip's fader reaches another position; the model's masks take three hops as well."""


def apart(stems: int, inserted: Sequence[int]) -> tuple[int, ...]:
    """Strips, from 0, that need an output of their own: the first ``stems``, and those with an insert."""
    return tuple(sorted({*range(stems), *inserted}))


class Fader:
    """A gain that glides."""

    def __init__(self, gain: float, sample_rate: int) -> None:
        self._at = self._target = gain
        self._step, self._rate = 0.0, sample_rate

    def over(self, target: float, count: int) -> NDArray[np.float64]:
        """The gain over the next samples, (count, 1)."""
        if target != self._target:
            self._target, self._step = target, abs(target - self._at) / (FADE_S * self._rate)
        reach = self._step * np.arange(1, count + 1)
        values: NDArray[np.float64] = self._at + np.clip(target - self._at, -reach, reach)
        if count:
            self._at = float(values[-1])
        return values[:, None]


class Lanes:
    """What happens between the separator's outputs and those of the pipeline.

    Args:
        rack: effects; an empty one leaves everything as it is.
        stems: strips that are put out by themselves, beside the rest; 0 for one sum.
        console: how the faders stand.
        sample_rate: of the sound.
    """

    def __init__(self, rack: Rack, stems: int, console: Console, sample_rate: int) -> None:
        self.rack, self.outputs = rack, stems + 1
        self._apart = apart(stems, rack.strips)
        gains = _gains(console)
        self._faders = {index: Fader(gains.get(index, 0.0), sample_rate) for index in rack.strips}

    def join(self, parts: Sequence[NDArray[Any]], console: Console) -> list[NDArray[Any]]:
        """The separator's outputs, (n, channels) each, strips first, the rest last, as what is put out."""
        if not self.rack.slots:
            return list(parts)
        lanes: Mapping[int | None, Samples] = dict(zip((*self._apart, None), parts, strict=True))
        lanes, gains = self.rack.across(lanes), _gains(console)
        put_out: list[NDArray[Any]] = [np.zeros(parts[-1].shape) for _ in range(self.outputs)]
        for index, lane in lanes.items():
            fader = self._faders.get(index) if index is not None else None
            gain = 1.0 if fader is None else fader.over(gains.get(index, 0.0), len(lane))
            put_out[self.outputs - 1 if index is None else min(index, self.outputs - 1)] += lane * gain
        put_out[-1] = self.rack.after(put_out[-1])
        return put_out


def _gains(console: Console) -> dict[int | None, float]:
    """The linear gain of every strip in use."""
    return dict(zip(console.used, console.gains, strict=True))
