"""From an OSC datagram with words never heard before to their echo: text encoder, FiLM head and all.

The engine runs on the fake device meanwhile, in step with the clock, so that the audio thread takes what it
takes live; the text encoder is in its own process, as under ``rtsep run --osc``.

    python benchmarks/osc_words.py --words 100 --json words.json
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import print as show
from rich.table import Table

from rtsep.audio.fake import FakeDevice
from rtsep.control import Console
from rtsep.desk import Desk
from rtsep.engine import Engine
from rtsep.models.backends import choose_backend
from rtsep.models.bundle import load_bundle
from rtsep.models.prompts import FilmCache
from rtsep.models.text_process import EncoderProcess
from rtsep.osc.packet import read, write
from rtsep.osc.process import OscProcess
from rtsep.presets import Presets

RATE, BLOCK = 48_000, 256
THINGS = ("kettle", "sparrow", "tractor", "zip", "banjo", "door", "crowd", "river", "printer", "goat")
DOINGS = (
    "far away",
    "in the next room",
    "rattling",
    "in the rain",
    "at night",
    "slowly",
    "on a wooden floor",
)


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--words", type=int, default=100)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options.bundle, options.words)
    table = Table("figure", "value", title=f"{options.words} unseen prompts over OSC")
    for name, value in report.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    show(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def measure(bundle_name: str, count: int) -> dict[str, Any]:
    """Times in ms, of so many prompts one after the other."""
    torch.set_num_threads(1)
    bundle = load_bundle(bundle_name)
    console = Console.of(["speech"])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        encoder = stack.enter_context(EncoderProcess(bundle.config.text_encoder))
        encoder(bundle.config.text_encoder, ["ready"])  # it loads while a session starts
        films = FilmCache(bundle, folder, encoder)
        device = FakeDevice(np.zeros((1, 1), np.float32), RATE, BLOCK)
        engine = Engine(bundle.separator, films, device, console, step=choose_backend(bundle).step)
        desk = stack.enter_context(closing(Desk(engine, console, Presets(folder))))
        server = OscProcess().listen(desk, lambda: engine.status, desk.presets.own, ports=range(1))
        stack.enter_context(server)
        engine.open()
        stop = threading.Event()
        audio = threading.Thread(target=_play, args=(device, engine, stop), name="audio")
        audio.start()
        try:
            times = _ask(server.address, count)
        finally:
            stop.set()
            audio.join()
        p50, p95 = np.percentile(times, [50, 95])
        return {
            "words": len(times),
            "p50_ms": float(p50),
            "p95_ms": float(p95),
            "max_ms": max(times),
            "dropouts": device.dropouts,
        }


def _play(device: FakeDevice, engine: Engine, stop: threading.Event) -> None:
    """The device's clock, in step with the machine's."""
    start, ticks = time.perf_counter(), 0
    while not stop.is_set():
        ticks += 1
        time.sleep(max(0.0, start + ticks * BLOCK / RATE - time.perf_counter()))
        device.tick()
        engine.step()


def _ask(address: tuple[str, int], count: int) -> list[float]:
    chance, times = random.Random(0), []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.settimeout(30)
        for number in range(count):
            words = f"{chance.choice(THINGS)} {chance.choice(DOINGS)} {number}"
            started = time.perf_counter()
            ours.sendto(write("/rtsep/prompt/1/text", words), address)
            while not _is_echo(ours.recv(65536), words):
                pass
            times.append(1000 * (time.perf_counter() - started))
    return times


def _is_echo(datagram: bytes, words: str) -> bool:
    return any(timed.message.arguments == (words,) for timed in read(datagram))


if __name__ == "__main__":
    main()
