"""A device fed from an array, for measuring latency to the sample without a sound card.

It behaves as rtmixer's callback does, by the call instead of by the clock: a playback run that finds
too few samples plays those, then silence, and has ended; a recording run that finds its ring full
has ended. It begins again with the first callback after it was asked to.
"""

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.contract import Run
from rtsep.audio.duplex import Duplex


class _FakeRun:
    """A run as the simulated callback sees it; None in ``started`` until the next tick."""

    def __init__(self) -> None:
        self.started: int | None = None
        self.ended = False
        self.done = 0


class _FakeTransport:
    """Two bounded rings in arrays, and the callback as a method."""

    def __init__(
        self, array: NDArray[np.float32], sample_rate: int, block: int, channels_out: int, ring_samples: int
    ) -> None:
        self.sample_rate = sample_rate
        self.channels_in = array.shape[1]
        self.channels_out = channels_out
        self.block = block
        self.latency_samples = (0, 0)
        self.alive = True
        self.flagged = 0
        self.time = 0
        self.played: list[NDArray[np.float32]] = []
        self._array = array
        self._ring_samples = ring_samples
        self._captured = np.zeros((0, self.channels_in), np.float32)
        self._queued = np.zeros((0, channels_out), np.float32)
        self._recording: _FakeRun | None = None
        self._playing: _FakeRun | None = None

    def begin(self, zeros: int) -> tuple[Run, Run]:
        self._queued = np.zeros((zeros, self.channels_out), np.float32)
        self._ring_samples = max(self._ring_samples, zeros + self.block)
        return self.record(), self.play()

    def record(self) -> Run:
        self._recording = _FakeRun()
        return self._recording

    def play(self) -> Run:
        self._playing = _FakeRun()
        return self._playing

    def waiting(self) -> int:
        return len(self._captured)

    def take(self) -> NDArray[np.float32]:
        taken, self._captured = self._captured, self._captured[:0]
        return taken

    def queue(self, samples: NDArray[np.float32]) -> int:
        fitting = samples[: self._ring_samples - len(self._queued)]
        self._queued = np.concatenate([self._queued, fitting])
        return len(fitting)

    def discard(self) -> None:
        self._queued = self._queued[:0]

    def halt(self) -> None:
        self.alive = False

    def callback(self) -> None:
        """One block in, one block out, and the time goes on."""
        for run in (self._recording, self._playing):
            if run is not None and run.started is None:
                run.started = self.time
        if self._recording is not None and not self._recording.ended:
            self._capture(self._recording)
        output = np.zeros((self.block, self.channels_out), np.float32)
        if self._playing is not None and not self._playing.ended:
            count = min(self.block, len(self._queued))
            output[:count], self._queued = self._queued[:count], self._queued[count:]
            self._playing.done += count
            self._playing.ended = count < self.block
        self.played.append(output)
        self.time += self.block

    def _capture(self, run: _FakeRun) -> None:
        heard = self._array[self.time : self.time + self.block]
        silence = np.zeros((self.block - len(heard), self.channels_in), np.float32)
        room = self._ring_samples - len(self._captured)
        block = np.concatenate([heard, silence])[:room]
        self._captured = np.concatenate([self._captured, block])
        run.done += len(block)
        run.ended = len(block) < self.block


class FakeDevice(Duplex):
    """An :class:`~rtsep.audio.contract.AudioDevice` whose callbacks are calls of :meth:`tick`.

    Nothing sleeps as long as :meth:`wait` is called with something captured or a timeout of 0.
    """

    def __init__(
        self,
        array: NDArray[np.float32],
        sample_rate: int,
        block: int,
        channels_out: int | None = None,
        ring_samples: int = 65536,
    ) -> None:
        """Play ``array`` into the input, block by block, and then silence.

        Args:
            array: (n, channels) float32, what the microphone hears.
            sample_rate: samples a second.
            block: samples a callback.
            channels_out: channels of :attr:`played`; as many as the array has, when None.
            ring_samples: what each of the two rings holds.
        """
        self._fake = _FakeTransport(array, sample_rate, block, channels_out or array.shape[1], ring_samples)
        super().__init__(self._fake)

    @property
    def exhausted(self) -> bool:
        """Whether the whole array has been captured; further callbacks capture silence."""
        return self._fake.time >= len(self._fake._array)

    @property
    def played(self) -> NDArray[np.float32]:
        """All that was played since the start: (ticks * block, channels_out)."""
        return np.concatenate([np.zeros((0, self.channels_out), np.float32), *self._fake.played])

    def tick(self) -> None:
        """One callback: captures the next block of the array and plays one from the playback ring.

        Raises:
            RuntimeError: before the start.
        """
        if self._recording is None:
            raise RuntimeError("the device was not started")
        self._fake.callback()
