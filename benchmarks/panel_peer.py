"""The engine's part of the OSC protocol without an engine: for tests and benchmarks of the panel.

It holds a console, obeys and echoes over a real UDP socket in a thread of its own, and sends meters and
spectra of sounds that it makes from numbers: what goes in is a mixture, what comes out is one of its parts.

    python benchmarks/panel_peer.py --port 9123
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import threading
import time
from collections import deque
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gui.protocol import FLOOR_DB, HOST, PORT, RATE, band_edges, decode, encode
from rtsep.control import PARAMETERS, Console
from rtsep.errors import CommandError
from rtsep.evaluate.synthetic import flute, rain

PRESETS = ("birds", "no-rain", "speech")
TERMS_MS = {"device_in": 5.3, "resample_in": 1.5, "hop": 10.0, "lookahead": 8.0, "resample_out": 1.5,
            "ring": 17.3, "device_out": 5.3}  # fmt: skip
SAMPLE_RATE, WINDOW = 48_000, 2048
LOOP_S = 4.0
GAINS = [name for name in PARAMETERS if name.endswith("gain")]
Wave = NDArray[np.float64]


class Peer:
    """An engine as the panel sees it. Use it in a ``with`` statement; ``stop`` and ``start`` play its death.

    Args:
        port: where it listens; any free one if 0.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.console = Console()
        self.preset, self.recording, self.dropouts, self.clipped = "", False, 0, 0
        self.presets: tuple[str, ...] = PRESETS
        self.learning, self.separator = "", "default"
        self.received: deque[tuple[str, list[Any]]] = deque(maxlen=10_000)
        """Every message that came, oldest first."""
        self.deaf = False
        """Whether it takes messages without obeying them."""
        self.busy = False
        """Whether parameters are turned all the time, as from another surface."""
        self.subscriber: tuple[str, int] | None = None
        """Where it sends to."""
        self._moving: set[str] = set()
        self._running = False
        self._lock = threading.Lock()  # others turn as well, from their own threads

    def __enter__(self) -> Peer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and send."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, self.port))
        self._socket.settimeout(1 / RATE / 4)
        self.port = self._socket.getsockname()[1]
        self.subscriber, self._running = None, True
        self._moving.clear()
        self._thread = threading.Thread(target=self._run, name="panel-peer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Fall silent, as a killed engine does."""
        if self._running:
            self._running = False
            self._thread.join()
            self._socket.close()

    def say(self, name: str, *values: float | bool | str | bytes) -> None:
        """Send the subscriber a message."""
        if self.subscriber is not None:
            self._socket.sendto(encode(name, *values), self.subscriber)

    def turn(self, name: str, value: object) -> None:
        """Set a parameter as another surface would."""
        with self._lock:
            self.console = self.console.turned(name, value)
        self._echo(name)

    def move(self, source: str) -> None:
        """Have a control bound to the parameter that waits, as if it had moved."""
        with self._lock:
            self.console = replace(self.console, learnt=self.console.learnt.bound(source, self.learning))
        self.learning = ""
        self._echo("learn"), self._echo("learning")

    def heard(self, name: str) -> list[list[Any]]:
        """The arguments of every message that came to this name."""
        return [values for each, values in list(self.received) if each == name]

    def _run(self) -> None:
        due, count = time.monotonic(), 0
        while self._running:
            try:
                datagram, sender = self._socket.recvfrom(65_536)
            except (TimeoutError, ConnectionError):
                datagram = b""
            for name, values in decode(datagram) if datagram else ():
                self.received.append((name, values))
                if not self.deaf:
                    self._obey(name, values, sender)
            if time.monotonic() >= due:
                due, count = max(due, time.monotonic() - 1) + 1 / RATE, count + 1
                self._move(count)

    def _obey(self, name: str, values: list[Any], sender: tuple[str, int]) -> None:
        try:
            match name.split("/"), values:
                case ["subscribe"], [int(port)]:
                    self.subscriber = (sender[0], port)
                    self._push()
                case ["subscribe", what], [_]:
                    self._moving.add(what)
                case ["unsubscribe"], _:
                    self.subscriber = None
                case ["preset", *way], [*words] if way or words:
                    self._load(*way, *words)
                case ["learn"], [str(parameter)]:
                    self.learning = parameter
                    self._echo("learning")
                case ["unlearn"], [str(what)]:
                    self.console = replace(self.console, learnt=self.console.learnt.without(what))
                    self._echo("learn")
                case ["record"], [on]:
                    self.recording = bool(on)
                    self._echo("record")
                case ["reset"], []:
                    self.dropouts = self.clipped = 0
                    self._echo("dropouts")
                case _, []:
                    self._echo(name)
                case _, [value]:
                    self.turn(name, value)
        except CommandError as error:
            self.say("error", str(error))

    def _push(self) -> None:
        for each in (
            *PARAMETERS,
            "preset",
            "presets",
            "separator",
            "learn",
            "learning",
            "record",
            "dropouts",
        ):
            self._echo(each)
        for term, ms in TERMS_MS.items():
            self.say(f"latency/{term}", ms)
        self.say("latency", sum(TERMS_MS.values()))

    def _load(self, *order: str) -> None:
        """Obey what comes after "preset": a name, "save" and a name, "next" or "previous"."""
        match order:
            case (("next" | "previous") as way,):
                here = PRESETS.index(self.preset) if self.preset in PRESETS else -1
                self.preset = PRESETS[(here + (1 if way == "next" else -1)) % len(PRESETS)]
            case ("save", name):
                self.preset, self.presets = name, tuple(sorted({*self.presets, name}))
                self._echo("presets")
            case (name,) if name in PRESETS:
                self.preset = name
            case _:
                raise CommandError(f"no preset {order[-1]!r}: have {', '.join(PRESETS)}")
        self._echo("preset")

    def _echo(self, name: str) -> None:
        own: dict[str, list[int | str]] = {
            "preset": [self.preset], "presets": list(self.presets), "record": [int(self.recording)],
            "dropouts": [self.dropouts], "learning": [self.learning], "separator": [self.separator],
            "learn": [each for pair in self.console.learnt for each in pair],
        }  # fmt: skip
        values = own[name] if name in own else [self.console[name]]
        self.say(name, *(int(value) if isinstance(value, bool) else value for value in values))

    def _move(self, count: int) -> None:
        """Send what moves all the time."""
        for side, wave in SOUNDS.items():
            start = round(count * SAMPLE_RATE / RATE) % (len(wave) - WINDOW)
            block = wave[start : start + WINDOW]
            if "meters" in self._moving:
                peak, rms = decibels(np.abs(block).max()), decibels(np.sqrt(np.mean(block**2)))
                self.say(f"meter/{side}", peak, rms, self.clipped)
            if "spectrum" in self._moving:
                self.say(f"spectrum/{side}", spectrum(block))
        if self.busy:
            for name in GAINS:
                self.turn(name, round(-18 + 18 * float(np.sin(count / 10 + len(name))), 2))
            self.turn("prompt/1/text", f"sound number {count // RATE}")
            self.turn("prompt/2/mute", bool(count // 10 % 2))
        if "meters" in self._moving:
            self.say("load", 0.31 + 0.04 * float(np.sin(count / 20)))


def decibels(amplitude: float) -> float:
    """An amplitude in dBFS, at least ``FLOOR_DB``."""
    return max(FLOOR_DB, 20 * float(np.log10(max(amplitude, 1e-12))))


def spectrum(block: Wave) -> bytes:
    """The bands of a block as the protocol has them; a full-scale sine reads 0 dBFS in its band."""
    count = len(block)
    window = np.hanning(count)
    power = np.abs(np.fft.rfft(block * window) / (window.sum() / 2)) ** 2 / 1.5  # 1.5: a Hann peak's width
    edges = np.asarray(band_edges()) * count / SAMPLE_RATE
    total = np.concatenate([[0.0], np.cumsum(power)])
    # A band narrower than a bin of the transform takes its share of that bin.
    levels = np.diff(np.interp(edges + 0.5, np.arange(len(total)), total))
    readings = 10 * np.log10(np.maximum(levels, 1e-12)) - FLOOR_DB
    return bytes(np.clip(np.round(readings), 0, -FLOOR_DB).astype(np.uint8))


def _sounds() -> dict[str, Wave]:
    part, rest = 0.25 * flute(SAMPLE_RATE, LOOP_S), 0.15 * rain(SAMPLE_RATE, LOOP_S)
    return {"in": part + rest, "out": part + 0.05 * rest}


SOUNDS = _sounds()
"""What the peer hears and plays: a flute in the rain, and the flute with the rain 26 dB down."""


def main() -> None:
    """Play the engine's part until Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=PORT, help="0: any that is free, which is printed")
    parser.add_argument("--busy", action="store_true", help="turn parameters all the time")
    options = parser.parse_args()
    with Peer(options.port) as peer, contextlib.suppress(KeyboardInterrupt):
        peer.busy = options.busy
        print(peer.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
