"""A separator, a sound card and whoever turns the knobs, from the opening to the last sample."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from rtsep.audio.contract import AudioDevice, Unwanted
from rtsep.audio.duplex import Duplex
from rtsep.audio.patchbay import Memory
from rtsep.compute import compute_device
from rtsep.config import RunSettings
from rtsep.control import Command, Console, Status
from rtsep.desk import Desk
from rtsep.display import say
from rtsep.effects.protocol import Format
from rtsep.effects.rack import Rack
from rtsep.ends import stem_count
from rtsep.engine import SWITCH_INTERVAL_S, Engine, Reopen
from rtsep.errors import DeviceError
from rtsep.live.card import SoundCard
from rtsep.load import Load
from rtsep.models.bundle import lighter_bundle
from rtsep.osc.process import OscProcess
from rtsep.presets import Presets
from rtsep.separators.conditions import Conditions
from rtsep.separators.protocol import LiveSeparator
from rtsep.separators.registry import open_separator
from rtsep.surfaces import surfaces


class Session:
    """An engine on an open device, with its desk; started by ``with``, let go of at the block's end.

    Args:
        settings: as a command line gives them.
        console: what is heard first.
        separator: made; closed at the end.
        films: what has been asked of it already.
        device: open, instead of the sound card that ``settings`` names.
        card: that has begun to open, where no other device is given.

    Raises:
        RtsepError: a prompt cannot be understood, or a device cannot be opened.
    """

    def __init__(
        self,
        settings: RunSettings,
        console: Console,
        separator: LiveSeparator,
        films: Conditions | None = None,
        device: AudioDevice | None = None,
        card: SoundCard | None = None,
    ) -> None:
        stems = stem_count(settings, console)
        self._settings, self._stopped = settings, False
        self._memory = Memory(settings.name) if settings.connect and settings.name is not None else None
        self._client = ""
        with ExitStack() as stack:
            self._osc = stack.enter_context(OscProcess()) if settings.played else None  # it loads meanwhile
            stack.callback(separator.close)
            separator.go_live(played=settings.played)
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            reopen: Reopen | None = None
            if device is None:
                card = card or stack.enter_context(closing(SoundCard(settings, console)))
                device, reopen = card.taken(), partial(self._again, card)
                self._client = device.client
            with ExitStack() as opened_device:
                opened_device.callback(device.stop)
                form = Format.at(separator, device.sample_rate, device.channels_in)
                rack = stack.enter_context(
                    Rack(settings.inserts, form, reserve_ms=settings.insert_reserve_ms)
                )
                console = replace(console, inserts=rack.inserts)
                self.engine = Engine(
                    separator,
                    films or Conditions(separator),
                    device,
                    console,
                    settings.reserve_ms,
                    stems=stems,
                    rack=rack,
                    name=separator.name,
                    reopen=reopen,
                    load=Load(settings.degrade, lighter_bundle(settings.bundle)),
                )
                opened_device.pop_all()
            stack.callback(self._stop)
            self.desk = stack.enter_context(closing(Desk(self.engine, console, Presets())))
            stack.callback(separator.close)  # else the desk waits for words that nobody will hear any more
            self._open = stack.pop_all()

    @property
    def status(self) -> Status:
        """What it is doing: load, levels, dropouts, the console."""
        return self.engine.status

    @property
    def console(self) -> Console:
        """The settings as they stand."""
        return self.desk.console

    def submit(self, command: Command) -> None:
        """Have a command obeyed, and wait until the audio worker has it.

        Raises:
            RtsepError: it cannot be obeyed.
        """
        self.desk.submit(command).result()

    def start(self) -> None:
        """Begin to process; where the settings say so, OSC and the panel as well.

        Raises:
            RtsepError: the device cannot be started, or a port is in use.
        """
        with self._open.pop_all() as stack:
            if self._osc is not None:
                stack.enter_context(surfaces(self._settings, self.engine, self.desk, self._osc))
            stack.callback(self._stop)  # the sound ends first, then whoever turned the knobs
            self.engine.start()
            if self._memory is not None:
                self._connect(self._memory)
                stack.callback(self._memory.keep)
            self._open = stack.pop_all()

    def close(self) -> None:
        """Stop, and let go of the device; safe to repeat.

        Raises:
            DeviceError: the device had gone meanwhile.
        """
        self._open.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def _again(self, card: SoundCard, unwanted: Unwanted) -> Duplex:
        """As :meth:`SoundCard.again`, connected as it was."""
        device = card.again(unwanted)
        self._client = device.client
        if self._memory is not None:
            try:
                self._connect(self._memory)
            except DeviceError as error:
                say(str(error))  # it can be connected by hand, and sounds then
        return device

    def _connect(self, memory: Memory) -> None:
        for each in memory.restore(self._client):
            say(f"not connected, since it is not there: {each}")

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.engine.stop()


def opened(separator: str | LiveSeparator, settings: RunSettings) -> LiveSeparator:
    """A separator by name, or itself."""
    if not isinstance(separator, str):
        return separator
    return open_separator(separator, compute_device(settings.compute))
