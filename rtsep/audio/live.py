"""A microphone as a source and a loudspeaker as a sink, one way only, where latency does not matter.

They have the shape of a file, so that recording a separated microphone and playing a separated file
are the same loop as file to file. Both directions at once, with a promised latency, are ``device``.

Like there, rtmixer's C callback moves the samples and a ring holds them: PortAudio's own blocking calls
wait for ever when a JACK server goes away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.device import DeviceInfo, Kind, check_device, sounddevice
from rtsep.audio.rtmixer_transport import flags
from rtsep.errors import DeviceError

_CAPTURE_S = 10.0
"""Sound a microphone's ring holds at least, while the model or the disk is busy."""

_CUSHION_S = 0.2
"""Sound that waits in a loudspeaker's ring before it begins to play."""

_POLL_S = 0.002
_STALLED_S = 2.0


class _OneWay:
    """A running stream, its ring, and the action that moves samples between them."""

    def __init__(
        self, device: DeviceInfo, kind: Kind, *, sample_rate: int, channels: int, block: int, ring_s: float
    ) -> None:
        self.sample_rate = sample_rate
        self.length = None
        self._name = str(device)
        self._broken_off = 0
        self._action: Any = None
        self._gone = False
        check_device(device, kind, sample_rate, channels)
        import rtmixer

        self._ring = rtmixer.RingBuffer(4 * channels, 1 << round(ring_s * sample_rate).bit_length())
        try:
            self._stream = (rtmixer.Recorder if kind == "input" else rtmixer.Mixer)(
                device=device.index,
                channels=channels,
                samplerate=sample_rate,
                blocksize=block,
                latency="high",
            )
            self._stream.start()
        except sounddevice().PortAudioError as error:
            raise DeviceError(f"cannot open {device} at {sample_rate} Hz: {error}") from error

    @property
    def dropouts(self) -> int:
        """Times that samples were lost, or silence was played in between."""
        return self._broken_off + flags(self._stream._state.stats)

    @property
    def _moving(self) -> bool:
        """Whether the callback records or plays; it stops at a full or an empty ring."""
        return self._action in self._stream.actions

    def _wait(self, moved: int) -> int:
        """Sleep a moment; returns the ring's count, which must not stay at ``moved`` for long.

        Raises:
            DeviceError: the device has gone.
        """
        deadline = time.monotonic() + _STALLED_S
        while time.monotonic() < deadline:
            time.sleep(_POLL_S)
            now = int(self._ring.read_available)
            if now != moved:
                return now
        # PortAudio would wait for ever for a last callback: leave the stream, and let sounddevice
        # terminate nothing when the process ends (as RtmixerTransport.halt does).
        sounddevice()._initialized = 0
        self._gone = True
        raise DeviceError(f"{self._name} has gone: plug it in or restart its server, and run again")

    def close(self) -> None:
        """Let go of the device, unless it has gone."""
        if not self._gone:
            self._stream.stop()
            self._stream.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class LiveSource(_OneWay):
    """A microphone, read in blocks until interrupted.

    Args:
        device: from ``find_device``.
        sample_rate: samples a second; the device's own when None.
        channels: 1 or 2.
        block: samples a callback, 0 for the device's own choice.

    Raises:
        DeviceError: the device refuses.
    """

    bad_samples = 0
    """None are counted here: the pipeline does it."""

    def __init__(self, device: DeviceInfo, sample_rate: int | None, channels: int, block: int) -> None:
        rate = sample_rate or device.default_sample_rate
        super().__init__(device, "input", sample_rate=rate, channels=channels, block=block, ring_s=_CAPTURE_S)
        self.channels = channels
        self._action = self._stream.record_ringbuffer(self._ring)

    def blocks(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Blocks of ``size`` samples, (size, channels), for ever.

        Raises:
            DeviceError: the device has gone.
        """
        waiting = 0
        while True:
            while waiting < size:
                if not self._moving:
                    self._broken_off += 1
                    self._action = self._stream.record_ringbuffer(self._ring)
                waiting = self._wait(waiting)
            yield np.frombuffer(self._ring.read(size), np.float32).reshape(-1, self.channels)
            waiting = int(self._ring.read_available)


class LiveSink(_OneWay):
    """A loudspeaker, written to at the pace at which it plays.

    Args:
        device: from ``find_device``.
        sample_rate: samples a second.
        channels: of what is written; one goes to both loudspeakers.
        block: samples a callback, 0 for the device's own choice.

    Raises:
        DeviceError: the device refuses.
    """

    def __init__(self, device: DeviceInfo, sample_rate: int, channels: int, block: int) -> None:
        spread = max(channels, min(2, device.max_channels_out))
        super().__init__(
            device, "output", sample_rate=sample_rate, channels=spread, block=block, ring_s=2 * _CUSHION_S
        )
        self._channels_out = spread
        self._cushion = round(_CUSHION_S * sample_rate)
        self._begun = False

    def write(self, samples: NDArray[np.float32]) -> None:
        """Play (n, channels) samples; waits while the device is busy with the ones before.

        Raises:
            DeviceError: the device has gone.
        """
        rest = np.ascontiguousarray(np.broadcast_to(samples, (len(samples), self._channels_out)), np.float32)
        while len(rest := rest[int(self._ring.write(rest)) :]):
            full = int(self._ring.read_available)
            self._play()
            self._wait(full)
        if self._ring.read_available >= self._cushion:
            self._play()

    def _play(self) -> None:
        """Begin to play, or begin again after the ring had run dry."""
        if not self._moving:
            self._broken_off += self._begun
            self._begun = True
            self._action = self._stream.play_ringbuffer(self._ring)

    def close(self) -> None:
        """Let what waits be played, then let go of the device.

        Raises:
            DeviceError: the device has gone.
        """
        waiting = int(self._ring.read_available)
        if waiting and not self._begun:
            self._play()
        while waiting and not self._gone and self._moving:
            waiting = self._wait(waiting)
        super().close()
