"""What runs each hop: commands in, samples through the pipeline, a status out. No thread of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from rtsep.audio.meter import measure
from rtsep.control import Command, SetParameter, SetPrompts, Status
from rtsep.models.condition import Condition
from rtsep.pipeline import Pipeline, Samples

LOAD_MEMORY_S = 1.0
"""The load shown is an average over about this long."""


@dataclass(frozen=True)
class Change:
    """A command with what was prepared for it in the caller's thread."""

    command: Command
    condition: Condition | None = None


class Worker:
    """Drives one pipeline. Only ``changes`` and ``status`` may be touched by other threads."""

    def __init__(self, pipeline: Pipeline, prompts: SetPrompts, latency_ms: float = 0.0) -> None:
        self.pipeline = pipeline
        self.changes: SimpleQueue[Change] = SimpleQueue()
        self.status = Status(prompt=str(prompts), latency_ms=latency_ms)
        self.busy_s = 0.0
        """Time spent in the pipeline so far."""
        self._received = 0

    def process(self, samples: Samples, dropouts: int = 0) -> Samples:
        """Obey what is waiting, then separate (n, channels) more samples; returns what has come out.

        Args:
            samples: the input.
            dropouts: the device's count, for the status.
        """
        started = time.perf_counter()
        self._obey()
        pipeline = self.pipeline
        output = pipeline.push(samples)
        busy = time.perf_counter() - started
        self.busy_s += busy
        if len(samples):
            self._received += len(samples)
            span = len(samples) / pipeline.timing.sample_rate
            weight = min(1.0, span / LOAD_MEMORY_S)
            status = self.status
            self.status = replace(
                status,
                seconds=self._received / pipeline.timing.sample_rate,
                hops=pipeline.hops,
                dropouts=dropouts,
                load=status.load + weight * (busy / span - status.load),
                peak_in_db=_peak_db(samples),
                peak_out_db=_peak_db(output) if len(output) else status.peak_out_db,
                bad_samples=pipeline.bad_samples,
            )
        return output

    def _obey(self) -> None:
        """Take every change that waits, in order."""
        while True:
            try:
                change = self.changes.get_nowait()
            except Empty:
                return
            match change.command:
                case SetParameter(name, value):
                    self.pipeline.parameters[name] = value
                case SetPrompts() as prompts:
                    assert change.condition is not None
                    self.pipeline.set_condition(change.condition)
                    self.status = replace(self.status, prompt=str(prompts))


def _peak_db(samples: Samples) -> float:
    """The loudest channel's peak."""
    return max(level.peak_db for level in measure(samples))
