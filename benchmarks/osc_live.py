"""The engine that a flood of OSC must not disturb, on a JACK dummy server: for ``osc_flood.py --live``.

A process of its own. It prints at which port it listens and which process does, then answers every line on
stdin with one of JSON: what it has counted since the line before.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import torch

from rtsep.allocator import one_heap
from rtsep.audio.device import find_devices, open_device
from rtsep.control import Console
from rtsep.desk import Desk
from rtsep.engine import SWITCH_INTERVAL_S, Engine
from rtsep.models.backends import choose_backend
from rtsep.models.bundle import load_bundle
from rtsep.models.prompts import FilmCache
from rtsep.models.text_process import EncoderProcess
from rtsep.osc.process import OscProcess
from rtsep.presets import Presets

WORDS = ["dog barking", "rain", "speech", "music", "birdsong"]
"""What the flood may ask for: all of it known, so that no text encoder is measured."""


def main() -> None:
    """Run until stdin ends."""
    one_heap()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    torch.set_num_threads(1)
    bundle, console = load_bundle(), Console.of(WORDS[:1], WORDS[1:2])
    known = FilmCache(bundle)
    for words in WORDS:
        known(words)
    device = open_device(*find_devices(None, None))
    with tempfile.TemporaryDirectory() as folder, EncoderProcess(bundle.config.text_encoder) as encoder:
        films = FilmCache(bundle, encode=encoder)
        takes, step = Path(folder) / "takes", choose_backend(bundle).step
        engine = Engine(bundle.separator, films, device, console, step=step, recordings=takes)
        desk = Desk(engine, console, Presets(Path(folder) / "presets"))
        presets = desk.presets.own
        with (
            closing(desk),
            OscProcess().listen(desk, lambda: engine.status, presets, ports=range(1)) as server,
        ):
            engine.start()
            print(server.address[1], server.pid, flush=True)
            before, heard = device.dropouts, 0.0
            for _ in sys.stdin:
                status, now = engine.status, device.dropouts
                counted = {
                    "dropouts": now - before,
                    "callbacks": round((status.seconds - heard) * device.sample_rate / device.block),
                    "load": status.load,
                }
                before, heard = now, status.seconds
                print(json.dumps(counted | vars(server.counts)), flush=True)
            engine.stop()


if __name__ == "__main__":
    main()
