"""A separator, a sound card and whoever turns the knobs, from the opening to the last sample."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from rtsep.audio.client_name import VARIABLE
from rtsep.audio.contract import AudioDevice
from rtsep.audio.device import find_devices, open_device
from rtsep.audio.duplex import Duplex
from rtsep.audio.patchbay import remembered
from rtsep.audio.portaudio import DeviceInfo
from rtsep.compute import compute_device
from rtsep.config import RunSettings
from rtsep.control import Command, Console, Status
from rtsep.desk import Desk
from rtsep.display import say
from rtsep.effects.protocol import Format
from rtsep.effects.rack import Rack
from rtsep.ends import stem_count
from rtsep.engine import SWITCH_INTERVAL_S, Engine, Reopen
from rtsep.load import Load
from rtsep.models.bundle import lighter_bundle
from rtsep.osc.process import OscProcess
from rtsep.presets import Presets
from rtsep.separators.conditions import Conditions
from rtsep.separators.protocol import LiveSeparator
from rtsep.separators.registry import open_separator
from rtsep.surfaces import surfaces

Ends = tuple[DeviceInfo, DeviceInfo]
"""Where sound comes from, and where it goes."""


class Session:
    """An engine on an open device, with its desk; started by ``with``, let go of at the block's end.

    Args:
        settings: as a command line gives them.
        console: what is heard first.
        separator: made; closed at the end.
        films: what has been asked of it already.
        device: open, instead of the sound card that ``settings`` names.
        found: what ``sought`` has begun to look for.

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
        found: Callable[[], Ends] | None = None,
    ) -> None:
        stems = stem_count(settings, console)
        self._settings, self._stopped = settings, False
        with ExitStack() as stack:
            self._osc = stack.enter_context(OscProcess()) if settings.played else None  # it loads meanwhile
            stack.callback(separator.close)
            separator.go_live(played=settings.played)
            if settings.name is not None:
                os.environ[VARIABLE] = settings.name
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            reopen: Reopen | None = None
            if device is None:
                card = _sound_card(settings, stems, found or sought(settings))
                device, reopen = card(), lambda unwanted: card(unless=unwanted)
            with ExitStack() as opened_device:
                opened_device.callback(device.stop)
                form = Format.at(separator, device.sample_rate, device.channels_in)
                rack = stack.enter_context(Rack(settings.inserts, form))
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
            if self._settings.connect and self._settings.name is not None:
                for each in stack.enter_context(remembered(self._settings.name)):
                    say(f"not connected, since it is not there: {each}")
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

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.engine.stop()


def opened(separator: str | LiveSeparator, settings: RunSettings) -> LiveSeparator:
    """A separator by name, or itself."""
    if not isinstance(separator, str):
        return separator
    return open_separator(separator, compute_device(settings.compute))


def sought(settings: RunSettings) -> Callable[[], Ends]:
    """Begin to look for the sound card that is meant, which is for another process to do; returns what waits
    until it is found, and raises a DeviceError if it is not."""
    looking = ThreadPoolExecutor(1, "rtsep-looking")
    found = looking.submit(find_devices, settings.input, settings.output)
    looking.shutdown(wait=False)
    return found.result


def _sound_card(settings: RunSettings, stems: int, found: Callable[[], Ends]) -> Callable[..., Duplex]:
    """What opens the sound card meant, now (without arguments) or when it comes back (``unless``)."""
    channels = settings.channels or 1
    return partial(
        open_device,
        *found(),
        sample_rate=settings.device_rate,
        block=settings.block,
        channels_in=channels,
        channels_out=(stems + 1) * channels if stems else 2 if settings.channels == 2 else None,
    )
