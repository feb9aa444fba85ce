"""A loudspeaker that only plays: whatever was written is played before it is let go of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from builders import Array

from rtsep.audio.device import DeviceInfo
from rtsep.audio.live import LiveSink
from rtsep.errors import DeviceError

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


@pytest.fixture
def stubborn_sink(monkeypatch: pytest.MonkeyPatch) -> LiveSink:
    """Of a device that plays at 48 kHz only, for sound at 44.1 kHz."""

    def card(*_: object, sample_rate: int, **__: object) -> None:
        if sample_rate != RATE:
            raise DeviceError(f"refuses {sample_rate} Hz")

    monkeypatch.setattr("rtsep.audio.live.RtmixerTransport", Ring)
    monkeypatch.setattr("rtsep.audio.live.Card", card)
    made = LiveSink(DeviceInfo(0, "Box", "JACK", 2, 2, RATE), 44_100, 1, 0)
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


def test_sound_at_a_rate_that_the_device_has_not_got_is_played_at_the_devices_to_its_end(
    stubborn_sink: LiveSink,
) -> None:
    assert stubborn_sink.sample_rate == RATE
    stubborn_sink.write(np.zeros((44_100, 1), np.float32))
    stubborn_sink.close()
    assert 0 <= ring(stubborn_sink).played - RATE < RATE // 100
    assert stubborn_sink.dropouts == 0


def test_a_device_that_refuses_its_own_rate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def card(*_: object, **__: object) -> None:
        raise DeviceError("refuses")

    monkeypatch.setattr("rtsep.audio.live.Card", card)
    for rate in (44_100, RATE):
        with pytest.raises(DeviceError, match="refuses"):
            LiveSink(DeviceInfo(0, "Box", "JACK", 2, 2, RATE), rate, 1, 0)
