"""From an OSC datagram to the first sample that sounds different, on the fake device, in real time.

The whole way is the real one: a UDP socket, the OSC server, the desk, an engine at 48 kHz with a model of
the default shape. Only its weights are set by hand, so that the prompt "all" is a mask of ones and "none" a
mask of zeros: then the first changed sample can be told from the others. The fake device's clock is ticked
in step with the machine's; both ends are read on it.

    python benchmarks/osc_switch.py --switches 500 --json switch.json
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import tempfile
import threading
import time
from contextlib import closing
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
from rtsep.models.codec import CodecConfig
from rtsep.models.masker import MaskerConfig
from rtsep.models.prompts import FilmTable
from rtsep.models.separator import Separator
from rtsep.osc.packet import write
from rtsep.osc.process import OscProcess
from rtsep.presets import Presets

RATE = 48_000
PROMPTS = ("all", "none")


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--switches", type=int, default=500)
    parser.add_argument("--every", type=float, default=0.12, help="seconds between two, on average")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options.switches, options.every, options.block)
    table = Table(
        "figure", "value", title=f"{options.switches} prompt switches, 48 kHz, block {options.block}"
    )
    for name, value in report.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    show(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def measure(switches: int, every_s: float, block: int) -> dict[str, Any]:
    """Switch so often, so far apart; everything in ms of the device's clock."""
    torch.set_num_threads(1)
    separator, films = _two_masks()
    seconds = (switches + 10) * every_s * 1.5
    sound = 0.1 * np.random.default_rng(0).standard_normal((round(seconds * RATE), 1))
    device = FakeDevice(sound.astype(np.float32), RATE, block)
    engine = Engine(separator, films, device, Console.of([PROMPTS[0]]))
    sent: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(engine, Console.of([PROMPTS[0]]), Presets(Path(folder)))
        presets = desk.presets.own
        with (
            closing(desk),
            OscProcess().listen(desk, lambda: engine.status, presets, ports=range(1)) as server,
        ):
            engine.open()
            clock = _Clock(block)
            sender = threading.Thread(
                target=_send, args=(server.address, switches, every_s, clock, sent), name="sender"
            )
            sender.start()
            while sender.is_alive():
                clock.wait_for_block()
                device.tick()
                clock.ticked()
                engine.step()
            for _ in range(RATE // block // 2):
                device.tick()
                engine.step()
    late = _first_changes(device.played[:, 0], sent)
    found = np.array(late) / RATE * 1000
    declared = engine.latency.ms(engine.latency.engine)
    p50, p99 = np.percentile(found, [50, 99])
    hop_ms = 1000 * separator.hop / separator.sample_rate
    return {
        "switches": len(late),
        "missed": len(sent) - len(late),
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "max_ms": float(found.max()),
        "bar_ms": declared + hop_ms,
        "declared_ms": declared,
        "hop_ms": hop_ms,
        "dropouts": device.dropouts,
    }


class _Clock:
    """The fake device's time, in samples, as a sender sees it between two ticks."""

    def __init__(self, block: int) -> None:
        self._start = self._last = time.perf_counter()
        self._samples, self._block = 0, block

    def wait_for_block(self) -> None:
        time.sleep(max(0.0, self._start + (self._samples + self._block) / RATE - time.perf_counter()))

    def ticked(self) -> None:
        self._samples, self._last = self._samples + self._block, time.perf_counter()

    def now(self) -> int:
        """Samples captured so far, those of the block under way included."""
        samples, since = self._samples, time.perf_counter() - self._last
        return samples + min(self._block, int(since * RATE))


def _send(address: tuple[str, int], switches: int, every_s: float, clock: _Clock, sent: list[int]) -> None:
    """Switch to and fro, at times that fall anywhere in a hop."""
    chance = random.Random(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        due = RATE // 2
        for number in range(switches):
            due += round(RATE * every_s * chance.uniform(0.8, 1.2))
            while clock.now() < due:  # by the device's time: a loop that is late must not crowd the switches
                time.sleep(0.0005)
            sent.append(clock.now())
            out.sendto(write("/rtsep/prompt/1/text", PROMPTS[(number + 1) % 2]), address)


def _first_changes(played: np.ndarray[Any, np.dtype[np.float32]], sent: list[int]) -> list[int]:
    """Samples from each datagram to the first sample that is no longer what it was."""
    # Where it sounds and where it is silent, told over a millisecond: noise crosses zero.
    window = RATE // 1000
    loud = np.convolve(np.abs(played), np.ones(window) / window, "same")
    full = np.median(loud[RATE // 4 : sent[0]])
    found = []
    for number, (start, end) in enumerate(zip(sent, [*sent[1:], len(played)], strict=True)):
        stretch = loud[start:end] / full
        changed = np.flatnonzero(stretch < 0.5 if number % 2 == 0 else stretch > 0.5)
        if len(changed):
            found.append(int(changed[0]))
    return found


def _two_masks() -> tuple[Separator, FilmTable]:
    """A model of the default shape whose mask is all ones or all zeros, as the last FiLM layer says."""
    masker = MaskerConfig(floor=0)
    separator = Separator(CodecConfig(), masker).eval().requires_grad_(False)
    separator.masker.leave.weight.fill_(1 / masker.width)
    separator.masker.leave.bias.zero_()
    films = FilmTable()
    for name, shift in zip(PROMPTS, (30.0, -30.0), strict=True):
        film = separator.film_head.out.bias.detach().clone()
        film[-2 * masker.width : -masker.width] = 0
        film[-masker.width :] = shift
        films[name] = film
    return separator, films


if __name__ == "__main__":
    main()
