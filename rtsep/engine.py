"""The live engine: a device, a worker and the one thread between them."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from platformdirs import user_music_path
from torch import Tensor

from rtsep.audio.contract import AudioDevice
from rtsep.audio.prefill import prefill_samples
from rtsep.audio.spectrum import band_levels
from rtsep.config import DEFAULT_RESERVE_MS
from rtsep.control import Command, Console, Quit, Record, ResetCounts, Status
from rtsep.effects.rack import Rack
from rtsep.errors import CommandError, DeviceError, EngineError
from rtsep.lanes import Lanes
from rtsep.latency import LatencyBudget
from rtsep.models.condition import Condition
from rtsep.models.onnx import Step
from rtsep.pipeline import Pipeline
from rtsep.recorder import Takes
from rtsep.separators.protocol import Steps
from rtsep.timing import Timing
from rtsep.worker import Change, StartRecording, StopRecording, Worker

SWITCH_INTERVAL_S = 2e-5
"""What the process of an engine sets with ``sys.setswitchinterval``: every tensor operation lets go of the
interpreter, and with another busy thread waits so long to get it back. Python's own 5 ms is half a hop, 500
times a hop (measured with a busy thread, 3.6 ms without: 7.6 ms a hop at 0.5 ms, 4.8 at 0.02)."""

_PRIORITY = 10
"""Real-time priority of the worker: above all that is not audio, below every audio callback."""


class Films(Protocol):
    """FiLM parameters of prompts, as a ``FilmCache`` keeps them."""

    def __call__(self, prompt: str) -> Tensor:
        """FiLM parameters (parameters,) of a prompt; may take long. Raises RtsepError."""
        ...

    def knows(self, prompt: str) -> bool:
        """Whether a call will return at once."""
        ...


class Engine:
    """Live separation on an open device; a ``Host`` for a ``Desk``.

    ``start`` makes the one thread there is; ``apply``, ``obey``, ``knows``, ``learn`` and ``status`` may be
    used from any other.

    Args:
        separator: the model, on the device that is to run it.
        films: FiLM parameters of prompts.
        device: open, not yet started.
        console: what to hear first.
        reserve_ms: how late the worker may be; part of the latency.
        step: what runs the model over one hop, the separator's own step by default.
        stems: strips that have an output of their own, beside the residual; 0 for one output.
        rack: effects, for the device's rate and channels; the caller closes it.
        recordings: folder for what ``Record`` writes.
    """

    def __init__(
        self,
        separator: Steps,
        films: Films,
        device: AudioDevice,
        console: Console,
        reserve_ms: float = DEFAULT_RESERVE_MS,
        *,
        step: Step | None = None,
        stems: int = 0,
        rack: Rack | None = None,
        recordings: Path | None = None,
    ) -> None:
        self._films, self._device, self._stems = films, device, stems
        self._parameters = separator.condition_size
        self._rack = rack or Rack()
        timing = Timing(separator, device.sample_rate, self._rack.latency_samples)
        lag = callbacks_late(device.block, device.sample_rate, reserve_ms)
        self._prefill = prefill_samples(device.block, lag, timing.emitted, timing.period)
        self.latency: LatencyBudget = timing.budget(self._prefill, device.device_latency_samples)
        condition = self._condition(console)
        console = replace(console, inserts=self._rack.inserts)
        lanes = Lanes(self._rack, stems, console, device.sample_rate)
        self.pipeline = Pipeline(separator, condition, device.sample_rate, device.channels_in, step, lanes)
        terms = self.latency.terms_ms()
        promised = Status(latency_ms=terms.pop("total"), latency_terms_ms=tuple(terms.items()))
        self.worker = Worker(self.pipeline, console, promised)
        self._takes = Takes(recordings or user_music_path() / "rtsep")
        self._opened = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtsep-worker")
        self._failure: BaseException | None = None

    @property
    def status(self) -> Status:
        """What the engine is doing; of dropouts also those since the worker last did anything."""
        dropouts = self._device.dropouts - self.worker.dropouts_before
        status, fault = replace(self.worker.status, dropouts=dropouts), self._takes.fault
        return replace(status, recording="", fault=fault) if fault else status

    def spectra(self) -> dict[str, bytes]:
        """The newest spectrum of input and output, see ``band_levels``; empty before the first sample."""
        recent = self.worker.recent
        if not recent:
            return {}
        rate = self.pipeline.timing.sample_rate
        sides = zip(("in", "out"), zip(*recent, strict=True), strict=True)
        return {side: band_levels(np.concatenate(chunks), rate) for side, chunks in sides}

    @property
    def running(self) -> bool:
        """Whether sound is being processed."""
        return self._thread.is_alive()

    def knows(self, text: str) -> bool:
        """Whether a prompt's FiLM parameters are at hand."""
        return self._films.knows(text)

    def learn(self, text: str) -> None:
        """Compute a prompt's FiLM parameters.

        Raises:
            RtsepError: the prompt cannot be understood, or the text encoder is missing.
        """
        self._films(text)

    def apply(self, console: Console, preset: str = "") -> None:
        """Have a console heard from the next hop on; looks up prompts that are not known, in this thread.

        Raises:
            RtsepError: a prompt cannot be understood.
        """
        self.worker.orders.put(Change(console, self._condition(console), preset))

    def obey(self, command: Command) -> None:
        """Record, reset counts, or begin to stop, so that whoever waits for ``running`` calls ``stop``.

        Raises:
            AudioFileError: the recording cannot be made.
            CommandError: the command is none of an engine's.
            EngineError: the engine has been stopped.
        """
        if self._stopping.is_set():  # nobody would end a recording that begins now
            raise EngineError("the engine has stopped: start it again")
        match command:
            case ResetCounts():
                self.worker.orders.put(command)
            case Quit():
                self._stopping.set()
            case Record(on=True):
                device, channels = self._device, self._device.channels_in
                recorder = self._takes.begin(device.sample_rate, channels, channels * self.pipeline.outputs)
                if recorder is not None:
                    self.worker.orders.put(StartRecording(recorder))
            case Record():
                if self._takes.end():
                    self.worker.orders.put(StopRecording())
            case _:
                raise CommandError(f"an engine has no use for {command}")

    def _condition(self, console: Console) -> Condition:
        return Condition.of(console, self._films, self._parameters, self._stems, self._rack.strips)

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
        self.worker.obey(self._device.dropouts)  # else a recording that was to end would wait for ever
        self._takes.close()  # the worker is gone, so nobody hands anything over any more
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
