"""The sound card as a transport: rtmixer's C callback and two ring buffers.

The callback never waits for Python. Python reaches it only through rings: samples, and "actions"
(record, play) which the callback takes up at its next block. When a ring runs empty or full the
action ends. To know to the sample when an action began, each is queued behind a request for the
callback's statistics, linked to it so that one callback takes up both (rtmixer.c: "linked lists of
actions are supported"): the number of callbacks it returns is the time, and no race can blur it.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.contract import Run
from rtsep.errors import DeviceError

_RING_S = 1.0
"""What each ring holds at least. A worker that is later than this has lost what it did not read."""

_FIRST_CALLBACK_S = 3.0
_STALLED_S = 2.0


class _ActionRun:
    """A record or play action, and the statistics that say when it began."""

    def __init__(self, transport: "RtmixerTransport", action: Any) -> None:
        self._transport = transport
        self.action = action
        self.began: int | None = None

    @property
    def started(self) -> int | None:
        self._transport.settle()
        return self.began

    @property
    def ended(self) -> bool:
        return self.action not in self._transport.stream.actions

    @property
    def done(self) -> int:
        return int(self.action.done_frames)


class RtmixerTransport:
    """An rtmixer stream that is already running, silent until :meth:`begin`."""

    def __init__(self, stream: Any, sample_rate: int, callback_size: int, block: int) -> None:
        """Take over a running ``rtmixer.MixerAndRecorder``.

        Args:
            stream: the stream.
            sample_rate: its rate.
            callback_size: samples of each of its callbacks.
            block: samples that come at once; more than ``callback_size`` where PortAudio splits a
                period of the driver into several callbacks.
        """
        import rtmixer
        import sounddevice

        self._rtmixer, self._sounddevice = rtmixer, sounddevice
        self.stream = stream
        self.sample_rate = sample_rate
        self.channels_in, self.channels_out = (int(count) for count in stream.channels)
        self.block = block
        self.latency_samples = (
            round(stream.latency[0] * sample_rate),
            round(stream.latency[1] * sample_rate),
        )
        self._callback_size = callback_size
        self._captured = self._ring(self.channels_in, round(_RING_S * sample_rate))
        self._queued = self._ring(self.channels_out, 1)
        self._asked: list[tuple[Any, tuple[_ActionRun, ...]]] = []
        self._callbacks = 0
        self._origin: int | None = None
        self._flagged = 0
        self._last_count = 0
        self._last_progress_s = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the callbacks still come: a JACK server that is gone just stops calling."""
        if self._origin is None:
            return bool(self.stream.active)
        count = int(self._captured._ptr.writeIndex)
        if count != self._last_count:
            self._last_count, self._last_progress_s = count, time.monotonic()
        return bool(self.stream.active) and time.monotonic() - self._last_progress_s < _STALLED_S

    @property
    def flagged(self) -> int:
        """Callbacks since the start that PortAudio flagged as late or missed."""
        if self._origin is None:
            return 0
        # Read only, so that any thread may ask; it lags a moment where statistics are on their way.
        return self._flagged + flags(self.stream._state.stats)

    def begin(self, zeros: int) -> tuple[Run, Run]:
        """Record and play from the same callback on; see :class:`~rtsep.audio.contract.Transport`.

        Raises:
            DeviceError: when no callback comes.
        """
        self._queued = self._ring(self.channels_out, zeros + round(_RING_S * self.sample_rate))
        self.queue(np.zeros((zeros, self.channels_out), np.float32))
        recording, playing = self._record_run(), self._play_run()
        self._enqueue(recording, playing)
        deadline = time.monotonic() + _FIRST_CALLBACK_S
        while recording.started is None:
            if time.monotonic() > deadline:
                raise DeviceError(f"the sound card did not call back within {_FIRST_CALLBACK_S:.0f} s")
            time.sleep(0.001)
        return recording, playing

    def record(self) -> Run:
        """Record again from the next callback on."""
        run = self._record_run()
        self._enqueue(run)
        return run

    def play(self) -> Run:
        """Play again from the next callback on."""
        run = self._play_run()
        self._enqueue(run)
        return run

    def waiting(self) -> int:
        """Captured samples not yet taken."""
        return int(self._captured.read_available)

    def take(self) -> NDArray[np.float32]:
        """Take all captured samples out of the ring: (n, channels_in)."""
        return np.frombuffer(self._captured.read(), np.float32).reshape(-1, self.channels_in)

    def queue(self, samples: NDArray[np.float32]) -> int:
        """Put (n, channels_out) samples into the playback ring; returns how many fitted."""
        return int(self._queued.write(np.ascontiguousarray(samples, np.float32)))

    def discard(self) -> None:
        """Empty the playback ring; only while nothing plays."""
        self._queued.flush()

    def halt(self) -> None:
        """Stop and close the stream; a second time does nothing."""
        if self.stream.closed:
            return
        if not self.alive:
            # PortAudio would wait for a last callback of a JACK server that is gone, and wait for ever
            # (measured), now and when the process ends: leave it, and let sounddevice terminate nothing.
            self._sounddevice._initialized = 0
            return
        self.stream.abort()
        self.stream.close()

    def settle(self) -> None:
        """Take in the statistics that have come back, and with them when runs began."""
        pending = self.stream.actions
        while self._asked and self._asked[0][0] not in pending:
            fetch, runs = self._asked.pop(0)
            stats = fetch.stats
            self._callbacks += int(stats.blocks)
            if self._origin is None:
                self._origin = self._callbacks
            else:
                self._flagged += flags(stats)
                self._check_size(int(stats.min_blocksize), int(stats.max_blocksize))
            for run in runs:
                run.began = (self._callbacks - self._origin) * self._callback_size

    def _check_size(self, smallest: int, largest: int) -> None:
        """Time is counted in callbacks of one size; a server may change it under way."""
        if not smallest == largest == self._callback_size:
            raise DeviceError(
                f"the sound card changed its block from {self._callback_size} to {smallest}..{largest}: "
                "start again"
            )

    def _record_run(self) -> _ActionRun:
        return self._run(self._rtmixer.RECORD_RINGBUFFER, self._captured, self.channels_in)

    def _play_run(self) -> _ActionRun:
        return self._run(self._rtmixer.PLAY_RINGBUFFER, self._queued, self.channels_out)

    def _run(self, kind: int, ring: Any, channels: int) -> _ActionRun:
        fields = {
            "type": kind,
            "actual_time": -1.0,  # start at once, however late that is
            "ringbuffer": ring._ptr,
            "total_frames": self._rtmixer.ULONG_MAX,
            "channels": channels,
            "mapping": tuple(range(1, channels + 1)),
        }
        return _ActionRun(self, self._rtmixer._ffi.new("struct action*", fields))

    def _enqueue(self, *runs: _ActionRun) -> None:
        """Queue statistics and runs as one linked list, which one callback takes up as a whole."""
        fields = {"type": self._rtmixer.FETCH_AND_RESET_STATS, "actual_time": -1.0}
        head = last = self._rtmixer._ffi.new("struct action*", fields)
        for run in runs:
            last.next = run.action
            last = run.action
            self.stream._actions[run.action] = None  # else rtmixer would not know it when it ends
        self._asked.append((head, runs))
        self.stream._enqueue(head)

    def _ring(self, channels: int, at_least: int) -> Any:
        return self._rtmixer.RingBuffer(4 * channels, 1 << at_least.bit_length())


def flags(stats: Any) -> int:
    """Callbacks that carried an overflow or underflow flag; one late callback may carry several."""
    counts = (stats.input_overflows, stats.input_underflows, stats.output_overflows, stats.output_underflows)
    return max(int(count) for count in counts)
