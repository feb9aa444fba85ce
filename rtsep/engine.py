"""The live engine: a device, a worker and the one thread between them."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from rtsep.audio.contract import AudioDevice
from rtsep.audio.prefill import prefill_samples
from rtsep.config import DEFAULT_RESERVE_MS
from rtsep.control import Command, SetPrompts, Status
from rtsep.errors import DeviceError, EngineError
from rtsep.latency import LatencyBudget
from rtsep.models.condition import Condition
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline, Timing
from rtsep.worker import Change, Worker

SWITCH_INTERVAL_S = 2e-5
"""What the process of an engine sets with ``sys.setswitchinterval``: every tensor operation lets go of the
interpreter, and with another busy thread waits so long to get it back. Python's own 5 ms is half a hop, 500
times a hop (measured with a busy thread, 3.6 ms without: 7.6 ms a hop at 0.5 ms, 4.8 at 0.02)."""

_PRIORITY = 10
"""Real-time priority of the worker: above all that is not audio, below every audio callback."""


class Engine:
    """Live separation on an open device.

    ``start`` makes the one thread there is; ``submit`` and ``status`` may be used from any thread.

    Args:
        separator: the model, on the device that is to run it.
        films: FiLM parameters of a prompt, as a ``FilmCache`` gives them.
        device: open, not yet started.
        prompts: what to hear first.
        reserve_ms: how late the worker may be; part of the latency.
    """

    def __init__(
        self,
        separator: Separator,
        films: Callable[[str], Tensor],
        device: AudioDevice,
        prompts: SetPrompts,
        reserve_ms: float = DEFAULT_RESERVE_MS,
    ) -> None:
        self._films, self._device = films, device
        timing = Timing(separator, device.sample_rate)
        lag = callbacks_late(device.block, device.sample_rate, reserve_ms)
        self._prefill = prefill_samples(device.block, lag, timing.emitted, timing.period)
        self.latency: LatencyBudget = timing.budget(self._prefill, device.device_latency_samples)
        condition = Condition.of(prompts, films)
        self.pipeline = Pipeline(separator, condition, device.sample_rate, device.channels_in)
        self.worker = Worker(self.pipeline, prompts, self.latency.ms(self.latency.total))
        self._opened = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtsep-worker")
        self._failure: BaseException | None = None

    @property
    def status(self) -> Status:
        """What the engine is doing."""
        return replace(self.worker.status, dropouts=self._device.dropouts)

    @property
    def running(self) -> bool:
        """Whether sound is being processed."""
        return self._thread.is_alive()

    def submit(self, command: Command) -> None:
        """Have a command obeyed at the next hop; looks prompts up first, in the caller's thread.

        Raises:
            CommandError: the command cannot be obeyed.
        """
        condition = Condition.of(command, self._films) if isinstance(command, SetPrompts) else None
        self.worker.changes.put(Change(command, condition))

    def open(self) -> None:
        """Start the device, so that ``step`` has something to do.

        Raises:
            EngineError: the engine was opened before.
        """
        if self._opened:
            raise EngineError("the engine was started before: make a new one")
        self._opened = True
        # The first forward allocates and takes longest: have it over before there is anything to miss.
        self.pipeline.warm_up()
        self._device.start(self._prefill)

    def start(self) -> None:
        """Start the device and the worker's thread.

        Raises:
            EngineError: the engine was started before.
        """
        self.open()
        self._thread.start()

    def stop(self) -> None:
        """Stop the worker, then the device.

        Raises:
            DeviceError: the device had gone.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._device.stop()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            _hurry()
            if self.pipeline.on_cpu:
                torch.set_num_threads(1)  # two threads beside other load made a 33 ms step 592 ms
            while not self._stopping.is_set():
                if self._device.wait(timeout_s=0.1):
                    self.step()
                elif not self._device.alive:
                    raise DeviceError(
                        "the audio device has gone: plug it in or restart its server, and run again"
                    )
        except BaseException as error:
            self._failure = error

    def step(self) -> None:
        """Process what the device has captured, once; the worker's thread does nothing else."""
        self._device.write(self.worker.process(self._device.read(), self._device.dropouts))


def _hurry() -> None:
    """Have the system run this thread before others, where that is allowed (on Linux: root, group ``audio``).

    Measured beside a training run on both cores: 3.6 ms a hop instead of 8.9.
    """
    if sys.platform == "linux":
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(threading.get_native_id(), policy, os.sched_param(_PRIORITY))


def callbacks_late(block: int, sample_rate: int, reserve_ms: float) -> int:
    """Callbacks that a reserve spans, at least the one that any worker needs."""
    return max(1, math.ceil(reserve_ms * sample_rate / 1000 / block))
