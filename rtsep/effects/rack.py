"""All inserts of a run, each in its place, and everything that runs beside them equally late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np

from rtsep.control import AFTER, BEFORE, STRIPS, Insert, InsertSpec
from rtsep.effects.loading import load
from rtsep.effects.protocol import Format, Samples
from rtsep.effects.remote import Patience
from rtsep.effects.slot import Delay, Slot

LIVE_S = 0.005
"""How long the effects of a hop are waited for, all together: half of one, less than half of the reserve."""

PATIENT_S = 60.0
"""The same for files, and before there is anything to miss."""

WARM_BLOCKS = 5

_NOTHING = Format(0, 0, 0)


class Rack:
    """Effects before the separator, on strips and on the sum; the audio worker's once it is made.

    An empty one, ``Rack()``, does nothing. Use it with ``with``: some effects are processes.

    Args:
        specs: what is asked for.
        form: the sound of all of them.
        live: whether somebody listens meanwhile.
        reserve_ms: how late effects in processes of their own may answer then, part of the latency.

    Raises:
        ConfigError: one of them cannot be loaded.
    """

    def __init__(
        self,
        specs: Sequence[InsertSpec] = (),
        form: Format = _NOTHING,
        live: bool = True,
        reserve_ms: float = 0.0,
    ) -> None:
        self._patience, self._block = Patience(PATIENT_S), form.block
        reserve = round(reserve_ms * form.sample_rate / 1000) if live else 0
        with ExitStack() as stack:  # closed again if one of them cannot be loaded
            self.slots = load(specs, form, self._patience, reserve, stack)
            silence = np.zeros((form.block, form.channels), np.float32)
            for slot in self.slots * WARM_BLOCKS:  # the first blocks take longest
                self._patience.begin()
                slot.process(silence)
            self._open = stack.pop_all()
        self._patience.span_s = LIVE_S if live else PATIENT_S
        self._before, self._after = self._at(BEFORE), self._at(AFTER)
        found = {index: self._at(f"prompt/{index + 1}") for index in range(STRIPS)}
        self._on = {index: slots for index, slots in found.items() if slots}
        late = {index: _latency(slots) for index, slots in self._on.items()}
        self._slowest = max(late.values(), default=0)
        self._waits: dict[int | None, Delay] = {
            index: Delay(self._slowest - samples, form.channels) for index, samples in late.items()
        }
        self.latency_samples = _latency(self._before) + self._slowest + _latency(self._after)
        """What all of it adds, at work or not."""

    @property
    def strips(self) -> tuple[int, ...]:
        """Indices, from 0, of the strips with an insert: each needs an output of its own, at full level."""
        return tuple(self._on)

    @property
    def inserts(self) -> tuple[Insert, ...]:
        """What stands on the console."""
        return tuple(slot.insert for slot in self.slots)

    @property
    def faults(self) -> tuple[str, ...]:
        """What each insert suffers from; empty words for one that works."""
        return tuple(slot.fault for slot in self.slots)

    def turn(self, inserts: Sequence[Insert]) -> None:
        """Have all knobs stand so."""
        for slot, insert in zip(self.slots, inserts, strict=False):
            slot.turn(insert)

    def before(self, x: Samples) -> Samples:
        """The input (n, channels) through the effects before the separator; a hop begins."""
        if self.slots:
            self._patience.begin(len(x) / self._block)
        return _through(self._before, x)

    def across(self, lanes: Mapping[int | None, Samples]) -> dict[int | None, Samples]:
        """Strips, by index, and the rest, by None, (n, channels) each, through the effects on strips."""
        return {index: self._lane(index, lane) for index, lane in lanes.items()}

    def after(self, x: Samples) -> Samples:
        """The sum (n, channels) through the effects on it."""
        return _through(self._after, x)

    def close(self) -> None:
        """End every process."""
        self._open.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process."""
        self.close()

    def _at(self, place: str) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if slot.insert.spec.place == place)

    def _lane(self, index: int | None, lane: Samples) -> Samples:
        if index not in self._waits:
            self._waits[index] = Delay(self._slowest, lane.shape[1])
        slots = self._on.get(index, ()) if index is not None else ()
        return self._waits[index].push(_through(slots, lane))


def _latency(slots: Sequence[Slot]) -> int:
    return sum(slot.latency_samples for slot in slots)


def _through(slots: Sequence[Slot], x: Samples) -> Samples:
    for slot in slots:
        x = slot.process(x)
    return x
