"""Opening an rtmixer stream, and finding out by watching it how many samples come at a time."""

import contextlib
import time
from collections import Counter
from typing import Any

from rtsep.errors import DeviceError

_SPLIT_AT = 1024
"""PortAudio cuts driver periods above this many samples into several callbacks (pa_process.c)."""

_TIMEOUT_S = 3.0
_CALLBACKS = 8
_ARRIVALS = 12


def open_stream(settings: dict[str, Any], block: int) -> tuple[Any, set[int], int]:
    """Open and run an ``rtmixer.MixerAndRecorder``; it plays silence.

    Args:
        settings: its keyword arguments but for the block size.
        block: samples a callback; 0 leaves it to the device.

    Returns:
        The running stream, the sizes its callbacks had (one, if they are steady), and the samples that
        come at once: more than a callback takes where PortAudio splits a period of the driver.

    Raises:
        DeviceError: when it does not call back.
        sounddevice.PortAudioError: when the device refuses.
    """
    import rtmixer

    stream = rtmixer.MixerAndRecorder(blocksize=block, **settings)
    with contextlib.ExitStack() as on_error:
        on_error.callback(stream.close)
        stream.start()
        sizes = _callback_sizes(stream)
        at_once = max(sizes) if max(sizes) < _SPLIT_AT else _burst(stream)
        on_error.pop_all()
    return stream, sizes, at_once


def _callback_sizes(stream: Any) -> set[int]:
    """Every size that the first callbacks had."""
    deadline = time.monotonic() + _TIMEOUT_S
    callbacks, sizes = 0, set[int]()
    while callbacks < _CALLBACKS:
        time.sleep(0.01)
        fetch = stream.fetch_and_reset_stats()
        while fetch in stream.actions:
            if time.monotonic() > deadline:
                raise DeviceError(
                    f"the sound card called back {callbacks} times in {_TIMEOUT_S:.0f} s: restart it"
                )
            time.sleep(0.001)
        callbacks += int(fetch.stats.blocks)
        sizes |= {int(fetch.stats.min_blocksize), int(fetch.stats.max_blocksize)}
    return sizes


def _burst(stream: Any) -> int:
    """Samples that arrive together, by watching a ring fill: what most of the arrivals brought."""
    import rtmixer

    ring = rtmixer.RingBuffer(4, 1 << round(2 * _TIMEOUT_S * stream.samplerate).bit_length())
    recording = stream.record_ringbuffer(ring, channels=1)
    arrivals: Counter[int] = Counter()
    before = 0
    deadline = time.monotonic() + _TIMEOUT_S
    while arrivals.total() < _ARRIVALS and time.monotonic() < deadline:
        time.sleep(0.001)
        now = int(ring.read_available)
        arrivals.update([now - before] if now > before else [])
        before = now
    stream.cancel(recording)
    stream.wait(recording, sleeptime=1)
    return max(arrivals, key=lambda size: (arrivals[size], size), default=_SPLIT_AT)
