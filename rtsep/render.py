"""Files and pipes: as fast as the machine allows, aligned to the sample, any length in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from rtsep.audio.contract import Samples
from rtsep.worker import Worker


class Sink(Protocol):
    """Whatever takes the result."""

    def write(self, samples: Samples) -> None:
        """Append (n, channels) samples."""
        ...


def render(
    worker: Worker, blocks: Iterable[Samples], sink: Sink, heard: Callable[[int], None] = lambda samples: None
) -> int:
    """Separate blocks (n, channels) into a sink; the output is as long as the input, sample for sample.

    Args:
        worker: fresh; its pipeline says how many channels it takes.
        blocks: the input, in blocks of any size.
        sink: takes the output.
        heard: told after every block how many samples it had.

    Returns:
        Samples written.
    """
    received = written = 0
    for block in blocks:
        received += len(block)
        output = worker.process(block)
        sink.write(output)
        written += len(output)
        heard(len(block))
    # Silence pushes out what the pipeline still holds.
    pipeline = worker.pipeline
    while written < received:
        silence = np.zeros((pipeline.timing.period, pipeline.channels), np.float32)
        output = pipeline.push(silence)[: received - written]
        sink.write(output)
        written += len(output)
    return written
