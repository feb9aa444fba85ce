"""What runs each hop: commands in, samples through the pipeline, a status out. No thread of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

import numpy as np

from rtsep.audio.contract import Samples
from rtsep.audio.meter import FLOOR_DB, measure
from rtsep.audio.spectrum import SIZE
from rtsep.control import Console, Level, ResetCounts, Status
from rtsep.models.condition import Condition
from rtsep.pipeline import Pipeline
from rtsep.recorder import Recorder

STATUS_S = 0.02
"""Live, the status lags by at most so much."""

LOAD_MEMORY_S = 1.0
"""The load shown is an average over about this long."""

PEAK_FALL_DB_S = 26.0
"""A peak shown falls so fast, so that whoever looks 30 times a second misses none."""


@dataclass(frozen=True)
class Change:
    """A console to be heard, with what was prepared for it in the caller's thread."""

    console: Console
    condition: Condition
    preset: str = ""
    left_out: int = 0
    """Strips that the condition does without, since the machine is too slow for them."""


@dataclass(frozen=True)
class StartRecording:
    """Write down what goes in and out from now on."""

    recorder: Recorder


@dataclass(frozen=True)
class StopRecording:
    """Hand the recorder its last samples and let go of it."""


Order = Change | StartRecording | StopRecording | ResetCounts


class Worker:
    """Drives one pipeline. Only ``orders``, ``status`` and ``recent`` may be touched by other threads.

    Args:
        pipeline: fresh.
        console: what it plays.
        status: what is known before the first sample: latency, sample rate.
        clock: seconds that pass.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        console: Console,
        status: Status | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.pipeline, self._clock = pipeline, clock
        self.orders: SimpleQueue[Order] = SimpleQueue()
        pipeline.console = console
        self.status = replace(status or Status(), console=console, sample_rate=pipeline.timing.sample_rate)
        self.busy_s = 0.0
        """Time spent in the pipeline so far."""
        self.recent: tuple[tuple[Samples, Samples], ...] = ()
        """What went in and came out in the last steps, enough for a spectrum."""
        self._received = self._given = 0
        self._seconds_before, self._hops_before, self._bad_before, self._restarted = 0.0, 0, 0, 0
        self._untold: list[Samples] = []  # what came in and the status does not tell of yet
        self._untold_busy_s = 0.0
        self._change: Change | None = None
        self.dropouts_before = 0
        """Those of the device that were counted before the last reset."""
        self._recorder: Recorder | None = None

    def process(self, samples: Samples, dropouts: int = 0) -> Samples:
        """Obey what is waiting, then separate (n, channels) more samples; returns what has come out.

        Args:
            samples: the input.
            dropouts: the device's count, for the status.
        """
        started = self._clock()
        self.obey(dropouts)
        output = self.pipeline.push(samples)
        self.note(samples, output, self._clock() - started, dropouts)
        return output

    def restart(self, pipeline: Pipeline) -> None:
        """Go on with another pipeline; what the last one still owed is silence, for whoever records."""
        owed = self._received - self._given
        if owed:
            silence = np.zeros((owed, pipeline.outputs * pipeline.channels), np.float32)
            self.note(np.zeros((0, pipeline.channels), np.float32), silence, 0.0, self.status.dropouts)
        self._seconds_before, self._restarted = self._seconds, self._received
        self._hops_before += self.pipeline.hops
        self._bad_before += self.pipeline.bad_samples
        pipeline.console = self.pipeline.console
        if self._change is not None:
            pipeline.set_condition(self._change.condition)
        self.pipeline = pipeline
        self.status = replace(self.status, sample_rate=pipeline.timing.sample_rate)

    def hear(self, change: Change) -> None:
        """Obey this order at once, before those that wait; for the thread that calls ``process``."""
        self._change = change
        self.pipeline.console = change.console
        self.pipeline.rack.turn(change.console.inserts)
        self.pipeline.set_condition(change.condition)
        self.status = replace(self.status, console=change.console, preset=change.preset)

    @property
    def left_out(self) -> int:
        """Strips that what is heard now does without."""
        return self._change.left_out if self._change is not None else 0

    @property
    def _seconds(self) -> float:
        return self._seconds_before + (self._received - self._restarted) / self.pipeline.timing.sample_rate

    def note(self, samples: Samples, output: Samples, busy_s: float, dropouts: int) -> None:
        """Take down one step: for the status, for pictures, for the recorder.

        Args:
            samples: (n, channels) that came in.
            output: (m, outputs * channels) that goes out.
            busy_s: time it took.
            dropouts: the device's count.
        """
        pipeline = self.pipeline
        self.busy_s += busy_s
        if self._recorder is not None:
            self._recorder.put(self._received, samples, self._given, output)
        self._received += len(samples)
        self._given += len(output)
        if len(samples):
            self.recent = (*self.recent[1 - max(2, -(-SIZE // len(samples))) :], (samples, output))
            self._untold.append(samples)
            self._untold_busy_s += busy_s
            span = sum(map(len, self._untold)) / pipeline.timing.sample_rate
            if pipeline.live and not len(output) and span < STATUS_S:
                return  # no hop was complete: to meter every block would cost more than the resampler
            samples, self._untold = np.concatenate(self._untold), []
            busy_s, self._untold_busy_s = self._untold_busy_s, 0.0
            weight = min(1.0, span / LOAD_MEMORY_S)
            status = self.status
            self.status = replace(
                status,
                seconds=self._seconds,
                hops=self._hops_before + pipeline.hops,
                dropouts=dropouts - self.dropouts_before,
                load=status.load + weight * (busy_s / span - status.load),
                level_in=_level(status.level_in, samples, span),
                level_out=_level(status.level_out, output, span),
                bad_samples=self._bad_before + pipeline.bad_samples,
                insert_faults=pipeline.rack.faults,
            )

    def obey(self, dropouts: int) -> None:
        """Take every order that waits, in order, as ``process`` does first; of changes in a row the last."""
        change: Change | None = None
        while True:
            order: Order | None = None
            with contextlib.suppress(Empty):
                order = self.orders.get_nowait()
            if isinstance(order, Change):
                change = order
                continue
            if change is not None:
                self.hear(change)
                change = None
            match order:
                case None:
                    return
                case StartRecording(recorder):
                    self._recorder = recorder
                    self.status = replace(self.status, recording=str(recorder.folder))
                case StopRecording():
                    if self._recorder is not None:
                        self._recorder.finish()
                    self._recorder = None
                    self.status = replace(self.status, recording="")
                case ResetCounts():
                    self.dropouts_before = dropouts
                    status = self.status
                    self.status = replace(
                        status,
                        dropouts=0,
                        level_in=replace(status.level_in, clipped=0),
                        level_out=replace(status.level_out, clipped=0),
                    )


def _level(before: Level, samples: Samples, span_s: float) -> Level:
    """The loudest channel's level, its peak falling slowly; ``span_s`` has passed since ``before``."""
    fallen = max(FLOOR_DB, before.peak_db - PEAK_FALL_DB_S * span_s)
    if not len(samples):
        return replace(before, peak_db=fallen)
    channels = measure(samples)
    return Level(
        max(fallen, *(level.peak_db for level in channels)),
        max(level.rms_db for level in channels),
        before.clipped + sum(level.clipped for level in channels),
    )
