"""A microphone as a source and a loudspeaker as a sink, one way only, where latency does not matter.

They have the shape of a file, so that recording a separated microphone and playing a separated file
are the same loop as file to file. Both directions at once, with a promised latency, are ``device``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.device import DeviceInfo, check_device, sounddevice
from rtsep.errors import DeviceError


class _OneWay:
    """Opens and closes a blocking stream; ``kind`` is "input" or "output"."""

    kind: Any

    def __init__(self, device: DeviceInfo, sample_rate: int | None, channels: int, block: int) -> None:
        self.sample_rate = sample_rate or device.default_sample_rate
        self.channels = channels
        self.length = None
        check_device(device, self.kind, self.sample_rate, channels)
        library = sounddevice()
        stream = library.InputStream if self.kind == "input" else library.OutputStream
        try:
            self._stream = stream(
                samplerate=self.sample_rate,
                device=device.index,
                channels=channels,
                blocksize=block,
                dtype="float32",
            )
            self._stream.start()
        except library.PortAudioError as error:
            raise DeviceError(f"cannot open {device} at {self.sample_rate} Hz: {error}") from error
        self._lost = library.PortAudioError
        self._name = str(device)

    def close(self) -> None:
        """Let what is buffered be played, then let go of the device."""
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

    kind = "input"

    def blocks(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Blocks of ``size`` samples, (size, channels), for ever.

        Raises:
            DeviceError: the device has gone.
        """
        while True:
            try:
                block, _ = self._stream.read(size)
            except self._lost as error:
                raise DeviceError(f"{self._name} has gone ({error}): plug it in and run again") from error
            yield block


class LiveSink(_OneWay):
    """A loudspeaker, written to at the pace at which it plays; arguments as for ``LiveSource``."""

    kind = "output"

    def write(self, samples: NDArray[np.float32]) -> None:
        """Play (n, channels) samples; waits while the device is busy with the ones before.

        Raises:
            DeviceError: the device has gone.
        """
        try:
            self._stream.write(np.ascontiguousarray(samples))
        except self._lost as error:
            raise DeviceError(f"{self._name} has gone ({error}): plug it in and run again") from error
