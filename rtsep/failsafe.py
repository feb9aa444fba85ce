"""What keeps sounding when the pipeline breaks: the input itself, after the latency that was promised."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from rtsep.audio.contract import Samples
from rtsep.pipeline import Pipeline
from rtsep.worker import Worker

logger = logging.getLogger(__name__)

RETRY_S = (0.0, 1.0, 5.0, 30.0)
"""What passes before the next attempt to build a pipeline, after one break, two, ..."""

STEADY_S = 60.0
"""A pipeline that has held so long is trusted again: the next break counts as the first."""


class Failsafe:
    """Has a worker process; where its pipeline raises, plays the input and has a new pipeline built.

    Output sample k belongs to input sample k either way, so nothing is shifted by the change: what the broken
    pipeline still owed is played dry, and a new pipeline begins with the next sample. Commands go on being
    obeyed. All but ``trouble`` is for the thread that calls ``process``.

    Args:
        worker: whose pipeline may break.
        build: makes a new pipeline, warmed up; called in a thread of its own.
    """

    def __init__(self, worker: Worker, build: Callable[[], Pipeline]) -> None:
        self.trouble = ""
        """What is wrong, in one line, while only the input is heard."""
        self._worker, self._build = worker, build
        self._kept: deque[Samples] = deque()  # input for which nothing has come out yet
        self._breaks = 0
        self._broke_s = 0.0
        self._builder: threading.Thread | None = None
        self._built: Pipeline | None = None

    def process(self, samples: Samples, dropouts: int) -> Samples:
        """As :meth:`Worker.process`, but it never raises an ``Exception``."""
        if self.trouble and not self._sound_again(dropouts):
            return self._dry(samples, samples, dropouts)
        self._kept.append(samples)
        try:
            output = self._worker.process(samples, dropouts)
        except Exception as error:
            self._break(error)
            return self._dry(samples, self._owed(), dropouts)
        self._answered(len(output))
        return output

    def exchange(self, why: str) -> Samples:
        """Have another pipeline built for one that is sound; returns the input that it still owed.

        Args:
            why: said as the trouble, until the other one has taken over.
        """
        self.trouble = why
        owed = self._owed()
        self._begin()
        return self._dry(owed[:0], owed, 0)

    def forget(self) -> None:
        """Nothing of before counts any more: its device has gone, and a pipeline that is sound comes."""
        self.close()
        self._builder = self._built = None
        self._kept.clear()
        self.trouble = ""

    def close(self) -> None:
        """Wait for a pipeline that is being built."""
        if self._builder is not None:
            self._builder.join()

    def _owed(self) -> Samples:
        """The input for which nothing has come out, which is now answered dry."""
        owed = np.concatenate([np.zeros((0, self._worker.pipeline.channels), np.float32), *self._kept])
        self._kept.clear()
        return owed

    def _answered(self, count: int) -> None:
        """Let go of the oldest ``count`` samples."""
        while count:
            first = self._kept.popleft()
            if len(first) > count:
                self._kept.appendleft(first[count:])
            count -= min(count, len(first))

    def _break(self, error: Exception) -> None:
        now = time.monotonic()
        self._breaks = 1 if now - self._broke_s > STEADY_S else self._breaks + 1
        self._broke_s = now
        logger.error("the separation broke, the input is heard instead", exc_info=error)
        self.trouble = f"the separation broke ({type(error).__name__}: {error}): the input is heard instead"

    def _sound_again(self, dropouts: int) -> bool:
        """Whether a new pipeline has taken over; commands are obeyed meanwhile."""
        try:
            if self._recovered():
                return True
            self._worker.obey(dropouts)
        except Exception as error:
            self._break(error)
        return False

    def _recovered(self) -> bool:
        """Whether a new pipeline has taken over; has one built where that is due."""
        if self._builder is None:
            wait_s = RETRY_S[min(self._breaks, len(RETRY_S)) - 1]
            if time.monotonic() - self._broke_s >= wait_s:
                self._begin()
            return False
        if self._builder.is_alive():
            return False
        self._builder.join()
        self._builder, built, self._built = None, self._built, None
        if built is None:
            return False
        built.begin_dry()
        self._worker.restart(built)
        self.trouble = ""
        return True

    def _begin(self) -> None:
        self._builder = threading.Thread(target=self._rebuild, name="rtsep-rebuild")
        self._builder.start()

    def _rebuild(self) -> None:
        try:
            self._built = self._build()
        except Exception as error:
            self._break(error)

    def _dry(self, samples: Samples, heard: Samples, dropouts: int) -> Samples:
        """The input as an output: on the last one, which carries everything else."""
        pipeline = self._worker.pipeline
        output = np.zeros((len(heard), pipeline.outputs * pipeline.channels), np.float32)
        output[:, -pipeline.channels :] = np.nan_to_num(heard, posinf=0.0, neginf=0.0)
        self._worker.note(samples, output, 0.0, dropouts)
        return output
