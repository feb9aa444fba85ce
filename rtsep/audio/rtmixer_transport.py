"""The sound card as a transport: rtmixer's C callback and two ring buffers.

The callback never waits for Python. Python reaches it only through rings: samples, and "actions"
(record, play) which the callback takes up at its next block. When a ring runs empty or full the
action ends. To know to the sample when an action began, each is queued behind a request for the
callback's statistics, linked to it so that one callback takes up both (rtmixer.c: "linked lists of
actions are supported"): the number of callbacks it returns is the time, and no race can blur it.

The callback runs in a process of its own (``card.py``) on memory that is shared with this one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.callback_memory import SLOTS
from rtsep.audio.card_process import Card
from rtsep.audio.contract import Run
from rtsep.errors import DeviceError

_FIRST_CALLBACK_S = 3.0
_STALLED_S = 2.0


@dataclass(frozen=True)
class Statistics:
    """What the callback counted between two requests."""

    blocks: int
    smallest: int
    largest: int
    flagged: int
    """Callbacks that carried an overflow or underflow flag; one late callback may carry several."""


class _Action:
    """A record or play action, or a request for statistics, in the memory of the callback."""

    def __init__(self, transport: RtmixerTransport, slot: int, structure: Any) -> None:
        self._transport, self.slot, self.structure = transport, slot, structure
        self.began: int | None = None
        self.statistics: Statistics | None = None
        self.over = False
        self._done = 0

    @property
    def started(self) -> int | None:
        self._transport.settle()
        return self.began

    @property
    def ended(self) -> bool:
        self._transport.settle()
        return self.over

    @property
    def done(self) -> int:
        return self._done if self.over else int(self.structure.done_frames)

    def come_back(self) -> None:
        """The callback has no more use for it."""
        self.over, self._done = True, int(self.structure.done_frames)
        self.statistics = _read(self.structure.stats)


class RtmixerTransport:
    """A stream that is already running, silent until :meth:`begin`."""

    def __init__(self, card: Card) -> None:
        """Take over a card whose stream runs.

        ``callback_size``, the samples of each of its callbacks, and ``block``, the samples that come at once
        (more where PortAudio splits a period of the driver into several callbacks), are for
        ``probe.measure_block`` to set; where time does not matter they stay 0.
        """
        self._card, self._memory = card, card.memory
        self.sample_rate = card.sample_rate
        self.channels_in, self.channels_out = card.layout.channels_in, card.layout.channels_out
        self.latency_samples = card.latency_samples
        self.client = card.client
        self.block = self.callback_size = 0
        self._free = list(range(SLOTS))
        self._out: dict[int, _Action] = {}
        self._asked: list[tuple[_Action, tuple[_Action, ...]]] = []
        self._callbacks = 0
        self._origin: int | None = None
        self._flagged = 0
        self._last_blocks = -1
        self._last_progress_s = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the callbacks still come: a JACK server that is gone just stops calling."""
        blocks = int(self._memory.state.stats.blocks)
        if blocks != self._last_blocks:
            self._last_blocks, self._last_progress_s = blocks, time.monotonic()
        return self._card.alive and time.monotonic() - self._last_progress_s < _STALLED_S

    @property
    def flagged(self) -> int:
        """Callbacks since the start that PortAudio flagged as late or missed."""
        if self._origin is None:
            return 0
        # Read only, so that any thread may ask; it lags a moment where statistics are on their way.
        return self._flagged + _read(self._memory.state.stats).flagged

    def begin(self, zeros: int) -> tuple[Run, Run]:
        """Record and play from the same callback on; see :class:`~rtsep.audio.contract.Transport`.

        Raises:
            DeviceError: when no callback comes, or the zeros do not fit.
        """
        if self.queue(np.zeros((zeros, self.channels_out), np.float32)) < zeros:
            raise DeviceError(
                f"{zeros} samples of latency are more than the ring holds: ask for less reserve"
            )
        recording, playing = self._recording(), self._playing()
        self._origin = None  # time begins now, whatever was measured before
        self._ask(recording, playing)
        deadline = time.monotonic() + _FIRST_CALLBACK_S
        while recording.started is None:
            if time.monotonic() > deadline:
                raise DeviceError(f"the sound card did not call back within {_FIRST_CALLBACK_S:.0f} s")
            time.sleep(0.001)
        return recording, playing

    def record(self) -> Run:
        """Record again from the next callback on."""
        run = self._recording()
        self._ask(run)
        return run

    def play(self) -> Run:
        """Play again from the next callback on."""
        run = self._playing()
        self._ask(run)
        return run

    def waiting(self) -> int:
        """Captured samples not yet taken."""
        return self._memory.captured.waiting()

    def take(self, most: int | None = None) -> NDArray[np.float32]:
        """Take all captured samples out of the ring, or so many: (n, channels_in)."""
        return np.frombuffer(self._memory.captured.read(most), np.float32).reshape(-1, self.channels_in)

    def queued(self) -> int:
        """Samples that wait to be played."""
        return self._memory.queued.waiting()

    def queue(self, samples: NDArray[np.float32]) -> int:
        """Put (n, channels_out) samples into the playback ring; returns how many fitted."""
        return self._memory.queued.write(np.ascontiguousarray(samples, np.float32))

    def discard(self) -> None:
        """Empty the playback ring; only while nothing plays."""
        self._memory.queued.flush()

    def halt(self) -> None:
        """Stop the stream and end its process; a second time does nothing."""
        self._card.end()

    def statistics(self) -> Statistics:
        """What the callback counted since it was asked last; waits for its next call.

        Raises:
            DeviceError: when no callback comes.
        """
        asked = self._ask()
        deadline = time.monotonic() + _FIRST_CALLBACK_S
        while not asked.ended:
            if time.monotonic() > deadline or not self._card.alive:
                raise DeviceError(f"the sound card did not call back within {_FIRST_CALLBACK_S:.0f} s")
            time.sleep(0.001)
        assert asked.statistics is not None
        return asked.statistics

    def cancel(self, run: Run) -> None:
        """Have a run end before its ring is full or empty, and wait for it; only before :meth:`begin`."""
        assert isinstance(run, _Action)
        cancelled = self._new(self._memory.lib.CANCEL)
        cancelled.structure.action = self._memory.ffi.cast(
            "struct action*", self._memory.action_home(run.slot)
        )
        self._send(cancelled)
        while not run.ended and self._card.alive:
            time.sleep(0.001)

    def settle(self) -> None:
        """Take in what has come back, and with it when runs began."""
        for address in np.frombuffer(self._memory.result_queue.read(), np.uint64):
            action = self._out.pop(self._memory.slot(int(address)))
            action.come_back()
            self._free.append(action.slot)
        while self._asked and self._asked[0][0].over:
            fetch, runs = self._asked.pop(0)
            assert fetch.statistics is not None
            self._callbacks += fetch.statistics.blocks
            if runs and self._origin is None:
                self._origin = self._callbacks
            elif self._origin is not None:
                self._flagged += fetch.statistics.flagged
                self._check_size(fetch.statistics)
            for run in runs:
                run.began = (self._callbacks - (self._origin or 0)) * self.callback_size

    def _check_size(self, found: Statistics) -> None:
        """Time is counted in callbacks of one size; a server may change it under way."""
        if self.callback_size and not found.smallest == found.largest == self.callback_size:
            raise DeviceError(
                f"the sound card changed its block from {self.callback_size} to "
                f"{found.smallest}..{found.largest}: start again"
            )

    def _recording(self) -> _Action:
        return self._run(self._memory.lib.RECORD_RINGBUFFER, "captured", self.channels_in)

    def _playing(self) -> _Action:
        return self._run(self._memory.lib.PLAY_RINGBUFFER, "queued", self.channels_out)

    def _run(self, kind: int, ring: str, channels: int) -> _Action:
        run = self._new(kind)
        run.structure.ringbuffer = self._memory.ring_home(ring)
        run.structure.total_frames = self._memory.lib.ULONG_MAX
        run.structure.channels = channels
        for channel in range(channels):
            run.structure.mapping[channel] = channel + 1
        return run

    def _new(self, kind: int) -> _Action:
        slot = self._free.pop(0)
        structure = self._memory.action(slot)
        structure.type = kind
        structure.actual_time = -1.0  # start at once, however late that is
        return _Action(self, slot, structure)

    def _ask(self, *runs: _Action) -> _Action:
        """Queue a request for statistics, with runs linked to it, which one callback takes up as a whole."""
        fetch = self._new(self._memory.lib.FETCH_AND_RESET_STATS)
        self._send(fetch, *runs)
        self._asked.append((fetch, runs))
        return fetch

    def _send(self, *linked: _Action) -> None:
        for before, after in pairwise(linked):
            address = self._memory.action_home(after.slot)
            before.structure.next = self._memory.ffi.cast("struct action*", address)
        self._out |= {action.slot: action for action in linked}
        head = np.array([self._memory.action_home(linked[0].slot)], np.uint64)
        self._memory.action_queue.write(head)


def _read(stats: Any) -> Statistics:
    counts = (stats.input_overflows, stats.input_underflows, stats.output_overflows, stats.output_underflows)
    flagged = max(int(count) for count in counts)
    return Statistics(int(stats.blocks), int(stats.min_blocksize), int(stats.max_blocksize), flagged)
