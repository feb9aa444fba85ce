"""The live engine: a device, a worker and the one thread between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_music_path

from rtsep.audio.contract import AudioDevice, Unwanted
from rtsep.audio.spectrum import band_levels
from rtsep.blueprint import Blueprint, Films
from rtsep.config import DEFAULT_RESERVE_MS
from rtsep.control import Command, Console, Quit, Record, ResetCounts, Status
from rtsep.effects.rack import Rack
from rtsep.errors import STOPPED, CommandError, DeviceError, EngineError
from rtsep.failsafe import Failsafe
from rtsep.garbage import settled
from rtsep.load import Load
from rtsep.models.condition import Condition
from rtsep.models.onnx import Step
from rtsep.pipeline import Pipeline
from rtsep.priority import audio_core, hurry, keep_off
from rtsep.recorder import Takes
from rtsep.separators.protocol import Steps
from rtsep.worker import Change, StartRecording, StopRecording, Worker

SWITCH_INTERVAL_S = 2e-5
"""What the process of an engine sets with ``sys.setswitchinterval``: every tensor operation lets go of the
interpreter, and with another busy thread waits so long to get it back. Python's own 5 ms is half a hop, 500
times a hop (measured with a busy thread, 3.6 ms without: 7.6 ms a hop at 0.5 ms, 4.8 at 0.02)."""

REOPEN_S = 0.2
"""What passes before a device that could not be opened again is tried once more."""

Reopen = Callable[[Unwanted], AudioDevice]

_GONE = "the audio device has gone, and is waited for"


class Engine:
    """Live separation on an open device; a ``Host`` for a ``Desk``.

    ``start`` makes the one thread there is; ``apply``, ``obey``, ``knows``, ``learn`` and ``status`` may be
    used from any other. A device that goes away is waited for, if ``reopen`` can open it again; a pipeline
    that breaks is replaced, and the input heard meanwhile.

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
        name: of the separator, for the status.
        reopen: opens the device anew, as soon as it is there; gives up with a ``DeviceError`` when what it is
            given becomes true, which is told what the device refuses. It may come back with another rate and
            block.
        load: judges whether the machine keeps up, and what is done without if not.
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
        name: str = "",
        reopen: Reopen | None = None,
        load: Load | None = None,
    ) -> None:
        self._plan = Blueprint(separator, films, step, stems, rack or Rack(), reserve_ms)
        self._reopen, self._load = reopen, load or Load()
        self._take(device)
        console = replace(console, inserts=self._plan.rack.inserts)
        pipeline = self._new_pipeline(console)
        self.worker = Worker(pipeline, console, Status(separator=name), self._load.clock)
        self._failsafe = Failsafe(self.worker, self._replacement)
        self._takes = Takes(recordings or user_music_path() / "rtsep")
        self._opened, self._settled = False, ExitStack()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtsep-worker")
        self._failure: BaseException | None = None
        self._trouble = ""
        self._dropouts_before = 0  # of devices that have gone
        self.realtime: bool | None = None
        """Whether the system runs the worker before others; None until it has been asked."""

    def _take(self, device: AudioDevice, chunk_hops: int = 1) -> None:
        """Promise a latency on a device."""
        self._device, self._chunk_hops = device, chunk_hops
        self._prefill, self.latency = self._plan.promise(device, chunk_hops)

    def _new_pipeline(self, console: Console) -> Pipeline:
        return self._plan.pipeline(self._device, self._condition(console), console, self._chunk_hops)

    def _replacement(self) -> Pipeline:
        """A pipeline for the place of one that broke, ready to run."""
        pipeline = self._new_pipeline(self.worker.status.console)
        pipeline.warm_up()
        return pipeline

    @property
    def pipeline(self) -> Pipeline:
        """What the sound goes through."""
        return self.worker.pipeline

    @property
    def status(self) -> Status:
        """What the engine is doing; of dropouts also those since the worker last did anything."""
        status, stopped = self.worker.status, self._takes.fault
        return replace(
            status,
            dropouts=self._dropouts - self.worker.dropouts_before,
            latency=self.latency,
            running=self.running,
            recording="" if stopped else status.recording,
            fault=self._trouble or self._failsafe.trouble or stopped,
            overload=self._load.said(status.console, self._plan.stems, self._plan.reserve_ms),
        )

    @property
    def _dropouts(self) -> int:
        return self._dropouts_before + self._device.dropouts

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
        return self._plan.films.knows(text)

    def learn(self, text: str) -> None:
        """Compute a prompt's FiLM parameters.

        Raises:
            RtsepError: the prompt cannot be understood, or the text encoder is missing.
        """
        self._plan.films(text)

    def apply(self, console: Console, preset: str = "") -> None:
        """Have a console heard from the next hop on; looks up prompts that are not known, in this thread.

        Raises:
            RtsepError: a prompt cannot be understood.
        """
        self.worker.orders.put(self._change(console, preset))

    def obey(self, command: Command) -> None:
        """Record, reset counts, or begin to stop, so that whoever waits for ``running`` calls ``stop``.

        Raises:
            AudioFileError: the recording cannot be made.
            CommandError: the command is none of an engine's.
            EngineError: the engine has been stopped.
        """
        if self._stopping.is_set():  # nobody would end a recording that begins now
            raise EngineError(STOPPED)
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

    def _change(self, console: Console, preset: str) -> Change:
        """An order to hear a console, as far as the machine can."""
        cut = self._load.cut  # once: the worker may change it meanwhile
        return Change(console, self._plan.condition(cut.thinned(console)), preset, cut.left_out)

    def _condition(self, console: Console) -> Condition:
        return self._plan.condition(self._load.cut.thinned(console))

    def open(self) -> None:
        """Start the device, so that ``step`` has something to do.

        Raises:
            EngineError: the engine was opened before.
        """
        if self._opened:
            raise EngineError("the engine was started before: make a new one")
        self._opened = True
        # The first forward allocates and takes longest: have it over before there is anything to miss.
        with ThreadPoolExecutor(1, "rtsep-rehearsal") as as_the_worker:
            as_the_worker.submit(self._rehearse).result()
        self.pipeline.warm_up()
        self._settled.enter_context(settled())
        self._device.start(self._prefill)

    def _rehearse(self) -> None:
        """See whether the machine is fast enough, and do without what it is too slow for, if allowed."""
        if self._plan.separator.network:
            return  # a server does most of it, and hears only what is real
        self._hurry()
        console = self.worker.status.console
        while self._load.foresee(self._load.rehearse(self._rehearsal(console)), console):
            self._take(self._device, self._load.cut.chunk_hops)
            self.worker.restart(self._new_pipeline(console))
            self.worker.hear(self._change(console, self.worker.status.preset))

    def _rehearsal(self, console: Console) -> Pipeline:
        return self._plan.rehearsal(self._device, self._condition(console), self._chunk_hops)

    def start(self) -> None:
        """Start the device and the worker's thread; a device that has just gone is waited for in there.

        Raises:
            DeviceError: the device cannot be started, and waiting for it would not help.
            EngineError: the engine was started before.
        """
        try:
            self.open()
        except DeviceError:
            if self._reopen is None or self._device.alive:
                raise
        self._thread.start()

    def stop(self) -> None:
        """Stop the worker, then the device.

        Raises:
            DeviceError: the device had gone, and nobody could open it again.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._failsafe.close()
        self.worker.obey(self._dropouts)  # else a recording that was to end would wait for ever
        self._takes.close()  # the worker is gone, so nobody hands anything over any more
        self._device.stop()
        self._settled.close()
        if self._failure is not None:
            raise self._failure

    def _hurry(self) -> None:
        """Have this thread run as the model's should."""
        self.realtime = hurry()
        keep_off(audio_core())
        if self.pipeline.on_cpu:
            torch.set_num_threads(1)  # two threads beside other load made a 33 ms step 592 ms

    def _run(self) -> None:
        try:
            self._hurry()
            while not self._stopping.is_set():
                try:
                    self._sound()
                except DeviceError as error:
                    self._come_back(error)
        except BaseException as error:
            self._failure = error

    def _sound(self) -> None:
        """Process what comes, until the engine stops.

        Raises:
            DeviceError: the device has gone, or is no longer what it was.
        """
        while not self._stopping.is_set():
            if self._device.wait(timeout_s=0.1):
                self.step()
            elif not self._device.alive:
                raise DeviceError(
                    "the audio device has gone: plug it in or restart its server, and run again"
                )

    def step(self) -> None:
        """Process what the device has captured, once; the worker's thread does nothing else."""
        self._device.write(self._failsafe.process(self._device.read(), self._dropouts))
        self._keep_up()

    def _keep_up(self) -> None:
        """Where the machine is too slow, do without what may be done without."""
        worker, load = self.worker, self._load
        if self._failsafe.trouble:
            load.begin(worker.status.seconds, worker.busy_s)
            return
        load.watch(worker.status.seconds, worker.busy_s, worker.status.console)
        if worker.left_out != load.cut.left_out:
            worker.hear(self._change(worker.status.console, worker.status.preset))
        if self._chunk_hops != load.cut.chunk_hops:
            self._lengthen(load.cut.chunk_hops)

    def _lengthen(self, chunk_hops: int) -> None:
        """Go on in larger chunks: the latency that is promised, and kept, is another from here on."""
        self._take(self._device, chunk_hops)
        self._device.renew(self._prefill)
        self._device.write(self._failsafe.exchange("larger chunks are got ready: the input is heard instead"))

    def _come_back(self, error: DeviceError) -> None:
        """Let go of a device that is lost, and go on when it is there again, with all that was set.

        Raises:
            DeviceError: the same, where nobody can open it again.
        """
        if self._reopen is None:
            raise error
        self._trouble = _GONE
        self._dropouts_before += 1
        self._device.stop()
        while not self._unwanted():
            try:
                self._resume(self._reopen(self._unwanted))
            except DeviceError as refusal:
                self._trouble = str(refusal)
                self._stopping.wait(REOPEN_S)
            else:
                self._trouble = ""
                return

    def _unwanted(self, obstacle: str | None = None) -> bool:
        """Whether nobody waits for the device any more; orders are obeyed all the same."""
        if obstacle is not None:
            self._trouble = f"the audio device is back, but refuses: {obstacle}" if obstacle else _GONE
        self.worker.obey(self._dropouts)
        return self._stopping.is_set()

    def _resume(self, device: AudioDevice) -> None:
        """Go on, on a device that has come back.

        Raises:
            DeviceError: its rate is another, and the inserts cannot follow.
        """
        if device.sample_rate != self._device.sample_rate and self._plan.rack.inserts:
            device.stop()
            raise DeviceError(
                f"the audio device has come back at {device.sample_rate} Hz, the inserts are for "
                f"{self._device.sample_rate}: set it back, or start again"
            )
        if device.sample_rate != self._device.sample_rate and self._takes.end():  # a file has one rate
            self.worker.orders.put(StopRecording())
            self.worker.obey(self._dropouts)
        self._dropouts_before += self._device.dropouts
        self._take(device, self._chunk_hops)
        self._failsafe.forget()
        try:
            self.worker.restart(self._replacement())
            device.start(self._prefill)
        except BaseException:
            device.stop()  # another is opened in its place, and may be kept out by it
            raise
