"""Finding out, by watching a stream, how many samples come at a time."""

import time
from collections import Counter

from rtsep.audio.rtmixer_transport import RtmixerTransport
from rtsep.errors import DeviceError

_SPLIT_AT = 1024
"""PortAudio cuts driver periods above this many samples into several callbacks (pa_process.c)."""

_TIMEOUT_S = 3.0
_CALLBACKS = 8
_ARRIVALS = 12


def measure_block(transport: RtmixerTransport) -> set[int]:
    """Watch the first callbacks of a transport that captures, and set its callback size and block.

    Returns:
        The sizes the callbacks had: one, if they are steady.

    Raises:
        DeviceError: when it does not call back.
    """
    sizes = _callback_sizes(transport)
    transport.callback_size = max(sizes)
    transport.block = max(sizes) if max(sizes) < _SPLIT_AT else _burst(transport)
    return sizes


def _callback_sizes(transport: RtmixerTransport) -> set[int]:
    """Every size that the first callbacks had."""
    deadline = time.monotonic() + _TIMEOUT_S
    callbacks, sizes = 0, set[int]()
    while callbacks < _CALLBACKS:
        time.sleep(0.01)
        found = transport.statistics()
        callbacks += found.blocks
        sizes |= {found.smallest, found.largest} if found.blocks else set()
        if time.monotonic() > deadline:
            raise DeviceError(
                f"the sound card called back {callbacks} times in {_TIMEOUT_S:.0f} s: restart it"
            )
    return sizes


def _burst(transport: RtmixerTransport) -> int:
    """Samples that arrive together, by watching the ring fill: what most of the arrivals brought."""
    recording = transport.record()
    arrivals: Counter[int] = Counter()
    before = 0
    deadline = time.monotonic() + _TIMEOUT_S
    while arrivals.total() < _ARRIVALS and time.monotonic() < deadline and not recording.ended:
        time.sleep(0.001)
        now = transport.waiting()
        arrivals.update([now - before] if now > before else [])
        before = now
    transport.cancel(recording)
    transport.take()
    return max(arrivals, key=lambda size: (arrivals[size], size), default=_SPLIT_AT)
