"""The logic of an audio device over any transport: what keeps the promised latency.

The sound card and the fake device differ only below this file, so what is measured with the fake
is what runs on the card.
"""

import time

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.alignment import Alignment
from rtsep.audio.contract import Run, Transport
from rtsep.errors import DeviceError

_POLL_S = 0.0005
"""How often :meth:`Duplex.wait` looks: well below the shortest block in use (32 samples at 48 kHz)."""

_REST = 0.6
"""Share of a block in which :meth:`Duplex.wait` does not look: every look costs, and takes turns with other
threads of Python. The rest is for callbacks that come early."""


class Duplex:
    """An :class:`AudioDevice` over a transport."""

    def __init__(self, transport: Transport, client: str = "") -> None:
        """Take over an open transport that has not begun.

        Args:
            transport: samples in, samples out.
            client: what the JACK server that it is on calls it.
        """
        self.client = client
        self.sample_rate = transport.sample_rate
        self.channels_in = transport.channels_in
        self.channels_out = transport.channels_out
        self.block = transport.block
        self.device_latency_samples = transport.latency_samples
        self._transport = transport
        self._alignment = Alignment(0, transport.block)
        self._recording: Run | None = None
        self._playing: Run | None = None
        self._expected: int | None = None  # when playback should have begun, until it is known
        self._taken = 0  # samples of this recording run that were taken out of the ring
        self._handed_over = 0  # samples returned by read(), of all runs
        self._seen_s = 0.0  # when something was last captured
        self._capture_known = True  # whether the start of this recording run is known

    @property
    def prefill_samples(self) -> int:
        """The promised distance from captured to played, in samples."""
        return self._alignment.prefill

    @property
    def dropouts(self) -> int:
        """Blocks of output that were silent, wholly or in part, or that the driver reported late."""
        return self._alignment.dropouts + self._transport.flagged

    @property
    def lost_samples(self) -> int:
        """Sample periods of silence where there should have been output."""
        return self._alignment.lost_samples

    @property
    def alive(self) -> bool:
        """Whether the device is still calling back."""
        return self._transport.alive

    def start(self, prefill_samples: int) -> None:
        """Begin to capture, and to play ``prefill_samples`` zeros and then what is written.

        Raises:
            DeviceError: when it has been started before, or the device does not call back.
        """
        if self._recording is not None:
            raise DeviceError("the device was started before: open it again to start it again")
        self._alignment = Alignment(prefill_samples, self.block)
        self._recording, self._playing = self._transport.begin(prefill_samples)

    def renew(self, prefill_samples: int) -> None:
        """Promise another latency, from the next sample written on.

        What it is longer is filled with silence, which counts as lost; what it is shorter is dropped.
        """
        self._alignment.prefill = prefill_samples

    def wait(self, timeout_s: float) -> bool:
        """Wait until something is captured, at most ``timeout_s`` seconds; whether there is something."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._follow()
            now = time.monotonic()
            if self._capture_known and self._transport.waiting():
                self._seen_s = now
                return True
            if now >= deadline or not self.alive:
                return False
            rest = self._seen_s + _REST * self.block / self.sample_rate - now
            time.sleep(min(max(rest, _POLL_S), deadline - now))

    def read(self) -> NDArray[np.float32]:
        """All captured samples that were not read yet: (n, channels_in), n may be 0."""
        self._follow()
        if not self._capture_known:
            return np.zeros((0, self.channels_in), np.float32)
        samples = self._transport.take()
        self._taken += len(samples)
        self._handed_over += len(samples)
        return samples

    def write(self, samples: NDArray[np.float32]) -> None:
        """Have samples played, each exactly ``prefill_samples`` after its counterpart was captured.

        Samples that come too late are dropped; where an underrun has torn a hole it stays silent.

        Args:
            samples: (n, channels_out), or (n, 1), which goes to every output channel.
        """
        self._follow()
        now = self._now()
        if self._playing is None:
            if now is None:
                # Capture broke down as well: until it is back, nothing says what time it is.
                self._alignment.forgo(len(samples))
                return
            self._alignment.play_from(now)
        pieces = []
        for placement in self._alignment.place(len(samples)):
            pieces.append(np.zeros((placement.zeros, self.channels_out), np.float32))
            piece = samples[placement.start : placement.stop]
            pieces.append(np.broadcast_to(piece, (len(piece), self.channels_out)))
        run = np.concatenate(pieces) if pieces else np.zeros((0, self.channels_out), np.float32)
        if len(run) == 0:
            return
        self._alignment.refused(len(run) - self._transport.queue(run))
        if self._playing is None:
            self._playing, self._expected = self._transport.play(), now

    def stop(self) -> None:
        """Stop and let go of the device; what is still in the playback ring is not played."""
        self._transport.halt()

    def _follow(self) -> None:
        """Take in what has become of the two runs since the last call."""
        self._follow_playback()
        self._follow_capture()

    def _follow_playback(self) -> None:
        run = self._playing
        if run is None:
            now = self._now()
            if now is not None and self._recording is not None:
                self._alignment.silent_until(now)
            return
        started = run.started
        if started is not None and self._expected is not None:
            self._alignment.play_started(self._expected, started)
            self._expected = None
        if started is not None and run.ended:
            self._alignment.play_ended(started + run.done)
            self._transport.discard()
            self._playing = None

    def _follow_capture(self) -> None:
        run = self._recording
        if run is None:
            return
        if not self._capture_known and run.started is not None:
            self._alignment.captured_from(self._handed_over, run.started)
            self._capture_known = True
        if self._capture_known and run.ended:
            # Nobody has read for the length of the ring: what it holds is too late to be of use.
            self._transport.take()
            self._recording, self._taken, self._capture_known = self._transport.record(), 0, False

    def _now(self) -> int | None:
        """The time of the next callback, as far as the capture ring shows; None if it cannot be told."""
        run = self._recording
        if run is None or run.started is None or run.ended:
            return None
        return run.started + self._taken + self._transport.waiting()
