"""The sound card of a run, found and opened beside all that has to load: both take other processes' time."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from rtsep.audio.client_name import VARIABLE
from rtsep.audio.contract import Unwanted
from rtsep.audio.device import find_devices, open_device
from rtsep.audio.duplex import Duplex
from rtsep.audio.portaudio import DeviceInfo
from rtsep.config import RunSettings
from rtsep.control import Console
from rtsep.ends import stem_count
from rtsep.errors import DeviceError


class SoundCard:
    """The one that settings mean; from here on it is looked for and opened, silent, by a thread of its own.

    Args:
        settings: as a command line gives them.
        console: says how many outputs there have to be.
    """

    def __init__(self, settings: RunSettings, console: Console) -> None:
        if settings.name is not None:
            os.environ[VARIABLE] = settings.name
        self._settings, self._stems = settings, stem_count(settings, console)
        self._ends: tuple[DeviceInfo, DeviceInfo] | None = None
        thread = ThreadPoolExecutor(1, "rtsep-card")
        self._opening: Future[Duplex] | None = thread.submit(self._open)
        thread.shutdown(wait=False)

    def taken(self) -> Duplex:
        """The open device, whose owner the caller now is; waits until it is open.

        Raises:
            DeviceError: it is not there, or refuses what is asked of it.
        """
        assert self._opening is not None  # it can be had once
        opening, self._opening = self._opening, None
        return opening.result()

    def again(self, unwanted: Unwanted) -> Duplex:
        """The device that was there and has gone, once it is back.

        Raises:
            DeviceError: it is not wanted any more.
        """
        return self._open(unless=unwanted)

    def close(self) -> None:
        """Let go of what nobody has taken; safe to repeat."""
        if self._opening is not None:
            with suppress(DeviceError):  # nobody wants to know
                self.taken().stop()

    def _open(self, **how: Any) -> Duplex:
        settings = self._settings
        self._ends = self._ends or find_devices(settings.input, settings.output)
        channels, stems = settings.channels or 1, self._stems
        return open_device(
            *self._ends,
            sample_rate=settings.device_rate,
            block=settings.block,
            channels_in=channels,
            channels_out=(stems + 1) * channels if stems else 2 if settings.channels == 2 else None,
            **how,
        )
