import math

import numpy as np
import pytest
from numpy.typing import NDArray

from rtsep.audio.contract import AudioDevice
from rtsep.audio.fake import FakeDevice
from rtsep.audio.prefill import prefill_samples
from rtsep.errors import DeviceError


def ramp(count: int, channels: int = 1) -> NDArray[np.float32]:
    """Sample k is k + 1, so that a played value tells which sample it is, and 0 is silence."""
    return np.repeat(np.arange(1, count + 1, dtype=np.float32)[:, None], channels, axis=1)


def assert_promise_kept(device: FakeDevice, array: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whatever was played is the sample captured ``prefill`` before; returns where there was silence."""
    played = device.played
    expected = np.zeros_like(played)
    late = array[: len(played) - device.prefill_samples]
    expected[device.prefill_samples : device.prefill_samples + len(late)] = late
    silent = played == 0
    assert np.array_equal(played[~silent], expected[~silent])
    wrong: NDArray[np.bool_] = (silent & (expected != 0)).any(axis=1)
    return wrong


def hops(device: FakeDevice, waiting: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
    """One poll of a worker that answers whole hops; returns what is left over."""
    waiting = np.concatenate([waiting, device.read()])
    whole = len(waiting) // hop * hop
    device.write(waiting[:whole])
    return waiting[whole:]


def test_the_fake_device_is_an_audio_device() -> None:
    device: AudioDevice = FakeDevice(ramp(10), 48000, 4)
    assert (device.sample_rate, device.channels_in, device.channels_out, device.block) == (48000, 1, 1, 4)


@pytest.mark.parametrize("block", [32, 100, 256, 2048])
@pytest.mark.parametrize("hop", [1, 240, 441])
@pytest.mark.parametrize("lag", [1, 2, 4])
def test_the_computed_prefill_is_enough_and_one_sample_less_is_not(block: int, hop: int, lag: int) -> None:
    array = ramp(20000)
    prefill = prefill_samples(block, lag, lambda n: n // hop * hop, hop)
    for given, enough in ((prefill, True), (prefill - 1, False)):
        device = FakeDevice(array, 48000, block)
        device.start(given)
        waiting = np.zeros((0, 1), np.float32)
        blocks: list[NDArray[np.float32]] = []
        for _ in range((hop // math.gcd(hop, block)) + lag + 3):
            device.tick()
            blocks.append(device.read())
            if len(blocks) < lag:
                continue  # the worker is that many callbacks behind
            waiting = np.concatenate([waiting, blocks.pop(0)])
            whole = len(waiting) // hop * hop
            device.write(waiting[:whole])
            waiting = waiting[whole:]
        assert (device.dropouts == 0) == enough
        if enough:
            assert not assert_promise_kept(device, array).any()


@pytest.mark.parametrize("late", [1, 2, 7, 30])
@pytest.mark.parametrize("hop", [1, 240])
def test_underrun_does_not_change_latency(late: int, hop: int) -> None:
    array = ramp(40000)
    device = FakeDevice(array, 48000, 256)
    device.start(prefill_samples(256, 1, lambda n: n // hop * hop, hop))
    waiting = np.zeros((0, 1), np.float32)
    for tick in range(120):
        device.tick()
        if not 40 <= tick < 40 + late:
            waiting = hops(device, waiting, hop)
    silent = assert_promise_kept(device, array)
    assert device.lost_samples == silent.sum() > 0
    # The blocks from the first that found too little, to the last before the worker was back in time.
    assert late <= device.dropouts <= late + 1
    assert not silent[60 * 256 + late * 256 :].any()


def test_capture_overflow_does_not_change_latency() -> None:
    array = ramp(60000)
    device = FakeDevice(array, 48000, 100, ring_samples=1000)
    device.start(200)
    counted = 0
    heard: list[NDArray[np.float32]] = []
    for tick in range(300):
        device.tick()
        if 100 <= tick < 150:
            continue
        heard.append(device.read())
        counted += len(heard[-1])
        device.write(heard[-1])
    assert counted < 250 * 100
    values = np.concatenate(heard)[:, 0]
    assert np.all(np.diff(values) > 0)
    assert values[-1] == 30000
    silent = assert_promise_kept(device, array)
    assert device.lost_samples == silent.sum() > 0
    assert not silent[160 * 100 :].any()


def test_a_worker_slower_than_the_device_keeps_the_promise_for_all_that_is_heard() -> None:
    rng = np.random.default_rng(3)
    array = ramp(200000)
    device = FakeDevice(array, 48000, 64, ring_samples=4096)
    device.start(500)
    waiting = np.zeros((0, 1), np.float32)
    for _ in range(2000):
        device.tick()
        if rng.random() < 0.3:
            waiting = hops(device, waiting, 160)
    silent = assert_promise_kept(device, array)
    assert device.lost_samples == silent.sum()
    assert 0 < device.dropouts < 2000


def test_mono_is_played_on_all_channels() -> None:
    device = FakeDevice(ramp(1000), 48000, 50, channels_out=2)
    device.start(100)
    for _ in range(10):
        device.tick()
        device.write(device.read())
    assert np.array_equal(device.played, np.concatenate([np.zeros((100, 2)), ramp(400, 2)]))


def test_the_array_is_followed_by_silence() -> None:
    device = FakeDevice(ramp(70), 48000, 50)
    device.start(0)
    assert not device.wait(0.0)
    device.tick()
    assert device.wait(0.0)
    assert not device.exhausted
    device.tick()
    assert device.exhausted
    assert np.array_equal(device.read(), np.concatenate([ramp(70), np.zeros((30, 1))]))
    assert len(device.read()) == 0


def test_a_device_starts_once_and_is_dead_after_stop() -> None:
    device = FakeDevice(ramp(10), 48000, 5)
    with pytest.raises(RuntimeError, match="not started"):
        device.tick()
    device.start(10)
    with pytest.raises(DeviceError, match="started before"):
        device.start(10)
    assert device.alive
    device.stop()
    assert not device.alive
