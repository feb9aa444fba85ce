"""A microphone as a source and a loudspeaker as a sink, one way only, where latency does not matter.

They have the shape of a file, so that recording a separated microphone and playing a separated file
are the same loop as file to file. Both directions at once, with a promised latency, are ``device``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.callback_memory import Layout
from rtsep.audio.card_process import Card
from rtsep.audio.contract import Run
from rtsep.audio.portaudio import DeviceInfo, Kind
from rtsep.audio.resample import Resampler
from rtsep.audio.rtmixer_transport import RtmixerTransport
from rtsep.errors import DeviceError

_CAPTURE_S = 10.0
"""Sound a microphone's ring holds at least, while the model or the disk is busy."""

_CUSHION_S = 0.2
"""Sound that waits in a loudspeaker's ring before it begins to play."""

_POLL_S = 0.002


class _OneWay:
    """A running stream, its ring, and the run that moves samples between them."""

    def __init__(
        self, device: DeviceInfo, kind: Kind, *, sample_rate: int, channels: int, block: int, ring_s: float
    ) -> None:
        self.sample_rate = sample_rate
        self.length = None
        self._name = str(device)
        self._broken_off = 0
        self._run: Run | None = None
        ring = 1 << round(ring_s * sample_rate).bit_length()
        layout = Layout(channels, 0, ring, 1) if kind == "input" else Layout(0, channels, 1, ring)
        card = Card({kind: device}, layout, sample_rate=sample_rate, block=block, latency="high")
        self._transport = RtmixerTransport(card)

    @property
    def dropouts(self) -> int:
        """Times that samples were lost, or silence was played in between."""
        return self._broken_off + self._transport.flagged

    @property
    def _moving(self) -> bool:
        """Whether the callback records or plays; it stops at a full or an empty ring."""
        return self._run is not None and not self._run.ended

    def _pause(self) -> None:
        """Sleep a moment.

        Raises:
            DeviceError: the device has gone.
        """
        time.sleep(_POLL_S)
        if not self._transport.alive:
            raise DeviceError(f"{self._name} has gone: plug it in or restart its server, and run again")

    def close(self) -> None:
        """Let go of the device."""
        self._transport.halt()

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
        self._run = self._transport.record()

    def blocks(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Blocks of ``size`` samples, (size, channels), for ever.

        Raises:
            DeviceError: the device has gone.
        """
        while True:
            while self._transport.waiting() < size:
                if not self._moving:
                    self._broken_off += 1
                    self._run = self._transport.record()
                self._pause()
            yield self._transport.take(size)


class LiveSink(_OneWay):
    """A loudspeaker, written to at the pace at which it plays.

    Args:
        device: from ``find_device``.
        sample_rate: of what is written; resampled for a device that plays at no rate but its own, as JACK.
        channels: of what is written; one goes to both loudspeakers.
        block: samples a callback, 0 for the device's own choice.

    Raises:
        DeviceError: the device refuses.
    """

    def __init__(self, device: DeviceInfo, sample_rate: int, channels: int, block: int) -> None:
        self._channels_out = max(channels, min(2, device.max_channels_out))
        opened = partial(
            super().__init__,
            device,
            "output",
            channels=self._channels_out,
            block=block,
            ring_s=2 * _CUSHION_S,
        )
        try:
            opened(sample_rate=sample_rate)
        except DeviceError:
            if device.default_sample_rate == sample_rate:
                raise
            opened(sample_rate=device.default_sample_rate)
        self._resampler = Resampler(sample_rate, self.sample_rate, channels)
        self._tail = np.zeros(
            (sample_rate // 100 if self._resampler.ratio.reach else 0, channels), np.float32
        )
        """What pushes the last samples out of the resampler."""
        self._cushion = round(_CUSHION_S * self.sample_rate)
        self._gone = False

    def write(self, samples: NDArray[np.float32]) -> None:
        """Play (n, channels) samples; waits while the device is busy with the ones before.

        Raises:
            DeviceError: the device has gone.
        """
        played = self._resampler.push(samples)
        rest = np.broadcast_to(played, (len(played), self._channels_out))
        while len(rest := rest[self._transport.queue(rest) :]):
            self._play()
            self._pause()
        if self._transport.queued() >= self._cushion:
            self._play()

    def _play(self) -> None:
        """Begin to play, or begin again after the ring had run dry."""
        if not self._moving:
            self._broken_off += self._run is not None
            self._run = self._transport.play()

    def _pause(self) -> None:
        try:
            super()._pause()
        except DeviceError:
            self._gone = True
            raise

    def close(self) -> None:
        """Let what waits be played, then let go of the device.

        Raises:
            DeviceError: the device has gone.
        """
        try:
            if not self._gone and len(self._tail):
                self.write(self._tail)
            if not self._gone and not self._moving and self._transport.queued():
                self._play()  # less than a cushion, at the start or after the ring had run dry
            while not self._gone and self._moving:
                self._pause()
        finally:
            super().close()
