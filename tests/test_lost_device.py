"""A device that goes away: what is said, what is kept, and what plays when it comes back."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from builders import noise
from engine_builders import DOG, LiveDevice, engine_on

from rtsep.audio.contract import Unwanted
from rtsep.audio.fake import FakeDevice
from rtsep.errors import DeviceError

pytestmark = pytest.mark.usefixtures("bag_of_words")


def test_a_device_that_has_gone_ends_the_thread_and_stop_says_so(tmp_path: Path) -> None:
    device = LiveDevice(noise(2560))
    engine = engine_on(device, tmp_path)
    engine.start()
    device.tick()
    device.stop()
    deadline = time.monotonic() + 10
    while engine.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not engine.running
    with pytest.raises(DeviceError, match="the audio device has gone: plug it in") as caught:
        engine.stop()
    assert "\n" not in str(caught.value)


def test_a_device_that_comes_back_at_another_rate_plays_on_with_what_was_set(tmp_path: Path) -> None:
    first, second = LiveDevice(noise(25_600)), LiveDevice(noise(256_000), 44_100)
    reopened = threading.Event()

    def reopen(unwanted: Unwanted) -> FakeDevice:
        assert not reopened.wait(0.5)
        assert engine.status.fault == "the audio device has gone, and is waited for"
        assert not unwanted(None)
        assert engine.status.fault == "the audio device has gone, and is waited for"
        assert not unwanted("system is in use")
        assert engine.status.fault == "the audio device is back, but refuses: system is in use"
        assert not unwanted("")
        assert engine.status.fault == "the audio device has gone, and is waited for"
        reopened.set()
        return second

    engine = engine_on(first, tmp_path, reopen=reopen)
    engine.start()
    for _ in range(40):
        first.tick()
        assert first.drained()
    engine.apply(DOG.turned("gain", -6.0), "a preset")
    first.stop()
    engine.apply(DOG.turned("gain", -12.0), "a preset")  # while it is away
    assert reopened.wait(20)
    deadline = time.monotonic() + 20
    while engine.status.fault and time.monotonic() < deadline:
        time.sleep(0.01)
    for _ in range(400):
        second.tick()
        assert second.drained()
    engine.stop()
    status = engine.status
    assert (status.fault, status.preset, status.sample_rate) == ("", "a preset", 44_100)
    assert status.console["gain"] == -12
    assert status.dropouts == 1
    assert status.seconds == pytest.approx(40 * 256 / 48_000 + 400 * 256 / 44_100)
    latency = engine.latency.engine
    assert status.latency_ms == pytest.approx(1000 * latency / 44_100)
    x, heard = second._fake._array, second.played
    start = 2000  # the gain is on its way
    wanted = 10 ** (-12 / 20) * x[start - latency : len(heard) - latency]
    assert np.abs(heard[start:] - wanted).max() <= 1e-4


class GoneDevice(LiveDevice):
    """Goes away between being opened and being started."""

    stops = 0

    def start(self, prefill_samples: int) -> None:
        super().stop()
        raise DeviceError("the sound card did not call back")

    def stop(self) -> None:
        self.stops += 1
        super().stop()


def test_a_device_that_goes_before_it_is_started_is_waited_for_where_it_can_come_back(
    tmp_path: Path,
) -> None:
    x = noise(256 * 40)
    back, gone = LiveDevice(x), [GoneDevice(x) for _ in range(3)]
    devices = iter([*gone[1:], back])
    engine = engine_on(gone[0], tmp_path, reopen=lambda unwanted: next(devices))
    engine.start()
    deadline = time.monotonic() + 20
    while back.prefill_samples == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for _ in range(40):
        back.tick()
        assert back.drained()
    engine.stop()
    assert [device.stops for device in gone] == [1, 1, 1]  # or the next might find it busy
    latency = engine.latency.engine
    assert np.abs(back.played[latency:] - x[: len(x) - latency]).max() <= 1e-4
    with pytest.raises(DeviceError, match="did not call back"):
        engine_on(GoneDevice(x), tmp_path / "again").start()
