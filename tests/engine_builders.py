"""Engines on fake devices, and what calls them back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from builders import Array, tiny_bundle, transparent_separator

from rtsep.audio.fake import FakeDevice
from rtsep.control import Console
from rtsep.engine import Engine, Reopen
from rtsep.models.prompts import FilmCache
from rtsep.models.separator import Separator

DOG = Console.of(["dog"])


def engine_on(
    device: FakeDevice,
    folder: Path,
    separator: Separator | None = None,
    reserve_ms: float = 12.0,
    console: Console = DOG,
    stems: int = 0,
    reopen: Reopen | None = None,
) -> Engine:
    """An engine that lets everything through, unless it is given another separator."""
    bundle = tiny_bundle(folder / "bundle", separator or transparent_separator())
    films = FilmCache(bundle, folder / "films")
    recordings = folder / "recordings"
    settings = {"stems": stems, "recordings": recordings, "reopen": reopen}
    return Engine(bundle.separator, films, device, console, reserve_ms, **settings)


def ticked(engine: Engine, device: FakeDevice, answers: Iterator[bool], samples: int) -> Array:
    """Call back until so many samples were played; the worker answers a callback where it is told to."""
    device.start(engine.latency.engine)
    while device.exhausted is False or len(device.played) < samples:
        device.tick()
        if next(answers):
            engine.step()
    return device.played


def always() -> Iterator[bool]:
    while True:
        yield True


class LiveDevice(FakeDevice):
    """A fake device that calls back in a test's thread while the engine's thread uses it."""

    def __init__(self, array: Array, rate: int = 48_000) -> None:
        super().__init__(array, rate, 256)
        self._lock = threading.RLock()

    def tick(self) -> None:
        with self._lock:
            super().tick()

    def wait(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.alive:
            with self._lock:
                if super().wait(0):
                    return True
            time.sleep(0.0005)
        return False

    def read(self) -> Array:
        with self._lock:
            return super().read()

    def write(self, samples: Array) -> None:
        with self._lock:
            super().write(samples)

    def drained(self, at_most_s: float = 10.0) -> bool:
        """Whether the engine's thread has taken what was captured."""
        deadline = time.monotonic() + at_most_s
        while time.monotonic() < deadline:
            with self._lock:
                if not self._fake.waiting():
                    return True
            time.sleep(0.001)
        return False
