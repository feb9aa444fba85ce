"""The process of a sound card: PortAudio and rtmixer's C callback, and nothing that computes.

``python -m rtsep.audio.card ORDER`` with ORDER as JSON answers with one line of JSON and, if a stream was
asked for, holds it open until its standard input is closed; where it is patient, lines before that one say
what it waits for. It ends by itself when the card goes away.
Whoever started it (``card_process.py``) may kill it at any time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rtsep.audio.callback_memory import CallbackMemory, Layout, SharedBytes, size
from rtsep.audio.client_name import client_name
from rtsep.audio.portaudio import (
    DeviceInfo,
    Kind,
    MissingDeviceError,
    list_devices,
    open_stream,
    refind,
    terminate,
)
from rtsep.errors import DeviceError

_LOOK_S = 0.05
"""How often it looks whether the stream is still alive."""

_SETTLES_S = 0.05
"""A JACK server tells its clients of new latencies a period after ports were disconnected; libjack may crash
if ports are unregistered meanwhile."""

_RETRY_S = 0.1
"""How often a card that is missing is looked for."""

_MISSED_S = 1.0
"""So long a card is looked for that another process has just found: now and then a JACK server lets nobody in
(seen with two servers on one machine, by the clients of both at once)."""

_REFUSED_S = 0.5
"""What it refuses for a shorter time is not told: servers do while they start, or end."""


def main(order: dict[str, Any]) -> None:
    """Obey one order; returns when the process is to end."""
    for number in ("SIGINT", "SIGHUP", "SIGBREAK", "SIGTERM"):  # they are meant for whoever started this
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), signal.SIG_IGN)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the C libraries print

        def say(**said: Any) -> None:
            answer.write(json.dumps(said) + "\n")
            answer.flush()

        try:
            if "memory" in order:
                _hold(order, say)
            else:
                devices, defaults = list_devices()
                say(devices=[asdict(device) for device in devices], defaults=defaults)
                terminate()
        except DeviceError as error:
            say(error=str(error))


def _hold(order: dict[str, Any], say: Any) -> None:
    """Open a stream and keep it until it is of no more use."""
    unwanted = threading.Event()
    threading.Thread(target=_watch, args=(unwanted,), daemon=True).start()
    layout = Layout(**order["layout"])
    memory = CallbackMemory(SharedBytes(size(layout), order["memory"]), layout)
    until, obstacle = time.monotonic() + _MISSED_S, _Obstacle(say)
    while True:
        try:
            stream, devices = _open(order, memory)
            break
        except DeviceError as error:
            missed = isinstance(error, MissingDeviceError) and time.monotonic() < until
            if unwanted.is_set() or not (missed or order["patient"]):
                raise
            if order["patient"]:
                obstacle.met(error)
        terminate()
        unwanted.wait(_RETRY_S)
    latency = stream.latency if isinstance(stream.latency, tuple) else (stream.latency,) * 2
    rate = round(stream.samplerate)
    said = {kind: asdict(device) for kind, device in devices.items()}
    say(
        home=memory.base,
        sample_rate=rate,
        latency=[round(part * rate) for part in latency],
        devices=said,
        client=client_name(),
    )
    while stream.active and not unwanted.wait(_LOOK_S):
        pass
    if not stream.active:
        os._exit(1)  # the server is gone, and PortAudio would wait for it for ever
    stream.abort()
    time.sleep(_SETTLES_S)
    stream.close()
    terminate()


class _Obstacle:
    """What keeps a card from being opened, told once it has done so for a while."""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say
        self._met: str | None = None
        self._since_s = 0.0
        self._told: str | None = None

    def met(self, error: DeviceError) -> None:
        """It could not be opened once more; of a card that is not there, nothing is to be said but that."""
        now_s, met = time.monotonic(), "" if isinstance(error, MissingDeviceError) else str(error)
        if met != self._met:
            self._met, self._since_s = met, now_s
        if met != self._told and now_s - self._since_s >= _REFUSED_S:
            self._told = met
            self._say(obstacle=met)


def _open(order: dict[str, Any], memory: CallbackMemory) -> tuple[Any, dict[Kind, DeviceInfo]]:
    """A running stream on the devices that are meant, which are found by their names."""
    there, _ = list_devices()
    devices: dict[Kind, DeviceInfo] = {
        kind: refind(DeviceInfo(**wanted), kind, there) for kind, wanted in order["devices"].items()
    }
    own = list(devices.values())[-1].default_sample_rate
    rate = order["sample_rate"] or own
    try:
        return open_stream(memory, devices, rate, order["block"], order["latency"]), devices
    except DeviceError:
        if not order["patient"] or rate == own:
            raise
    return open_stream(memory, devices, own, order["block"], order["latency"]), devices  # it came back so


def _watch(unwanted: threading.Event) -> None:
    """Wait until standard input is closed, which also happens when whoever started this dies."""
    while os.read(0, 1):
        pass
    unwanted.set()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
