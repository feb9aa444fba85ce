"""A loudspeaker that only plays: whatever was written is played before it is let go of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from builders import Array

from rtsep.audio.device import DeviceInfo
from rtsep.audio.live import LiveSink

RATE = 48_000


class Ring:
    """A transport whose card plays a tenth of a second whenever somebody waits for it."""

    alive, flagged = True, 0

    def __init__(self, card: object) -> None:
        self.waiting, self.played, self.ended = 0, 0, True

    def queue(self, samples: Array) -> int:
        self.waiting += len(samples)
        return len(samples)

    def queued(self) -> int:
        return self.waiting

    def play(self) -> Ring:
        self.ended = False
        return self

    def halt(self) -> None:
        pass

    def pass_time(self, _: float = 0.0) -> None:
        if not self.ended:
            count = min(self.waiting, RATE // 10)
            self.waiting, self.played = self.waiting - count, self.played + count
            self.ended = not self.waiting


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> LiveSink:
    monkeypatch.setattr("rtsep.audio.live.RtmixerTransport", Ring)
    monkeypatch.setattr("rtsep.audio.live.Card", lambda *_, **__: None)
    made = LiveSink(DeviceInfo(0, "Box", "JACK", 2, 2, RATE), RATE, 1, 0)
    monkeypatch.setattr("rtsep.audio.live.time.sleep", ring(made).pass_time)
    return made


def ring(sink: LiveSink) -> Ring:
    found: object = sink._transport
    assert isinstance(found, Ring)
    return found


def dry(sink: LiveSink) -> None:
    """Play until nothing is left."""
    for _ in range(10):
        ring(sink).pass_time()


def early(sink: LiveSink) -> None:
    """Play nothing."""


@pytest.mark.parametrize("between", [dry, early])
def test_the_last_of_it_is_played_even_after_the_ring_had_run_dry(
    sink: LiveSink, between: Callable[[LiveSink], None]
) -> None:
    first, last = np.zeros((RATE // 2, 1), np.float32), np.zeros((RATE // 8, 1), np.float32)
    sink.write(first)
    between(sink)
    sink.write(last)
    sink.close()
    assert ring(sink).played == len(first) + len(last)
    assert sink.dropouts == (between is dry)
