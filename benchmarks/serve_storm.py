"""What an edge stands: a line that loses and delays.

    python benchmarks/serve_storm.py --seconds 300               # in real time: 5 % lost, up to 40 ms late
    python benchmarks/serve_storm.py --seconds 300 --simulated   # on a clock of its own, without sockets

The server is a process of its own, with the default bundle; the edge runs as a live engine runs it. Frames
are dropped on the way there, answers held back on the way here, in their order, as TCP keeps it. On a busy
machine only the simulated storm says something about the line.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import print as show
from serve_fuzz import server

from rtsep.control import Console, Value
from rtsep.engine import SWITCH_INTERVAL_S
from rtsep.models.bundle import Bundle, load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.pipeline import Pipeline
from rtsep.priority import hurry
from rtsep.serve.edge import Edge, Line, frames_within
from rtsep.serve.format import CodeFormat, Frames
from rtsep.serve.link import Link, Target
from rtsep.serve.messages import turned
from rtsep.serve.service import Service
from rtsep.serve.session import code_condition

LOSS, JITTER_S, NETWORK_MS = 0.05, 0.040, 60.0
RATE, LEVEL = 48_000, 0.1


class Inside:
    """A line to a service in this process, which answers at once."""

    def __init__(self, bundle: Bundle, format: CodeFormat) -> None:
        self._bundle, self._console, self._service = bundle, Console(), Service(bundle)
        self._films, self._done = FilmCache(bundle), list[Frames]()
        self._session = self._service.open(0, format, self._wish())

    def _wish(self) -> Condition:
        parameters = self._bundle.separator.condition_size
        return code_condition(self._console, self._films, parameters, whole=False)

    def turn(self, values: Mapping[str, Value]) -> None:
        """As a server does it."""
        self._console = turned(self._console, dict(values))
        self._session.turn(self._wish())

    def reset(self) -> None:
        """As a server does it."""
        self._service.reset(0)

    def close(self) -> None:
        """Nothing is open."""

    def send(self, frames: Frames) -> None:
        """Edited at once."""
        self._session.put(frames)
        self._done += [edited.frames for edited in self._service.tick()]

    def received(self, wait_s: float = 0.0) -> list[Frames]:
        """All of it."""
        found, self._done = self._done, []
        return found


class Storm:
    """A line that loses and delays.

    Args:
        line: one that does neither.
        clock: seconds.
    """

    def __init__(self, line: Line, clock: Callable[[], float]) -> None:
        self._line, self._clock, self._random = line, clock, random.Random(0)
        self._held: deque[tuple[float, Frames]] = deque()
        self._last = 0.0
        self.dropped = 0

    def turn(self, values: Mapping[str, Value]) -> None:
        """Untouched."""
        self._line.turn(values)

    def reset(self) -> None:
        """Untouched."""
        self._line.reset()

    def close(self) -> None:
        """Untouched."""
        self._line.close()

    def send(self, frames: Frames) -> None:
        """One in twenty never arrives."""
        for offset in range(len(frames.codes)):
            if self._random.random() < LOSS:
                self.dropped += 1
            else:
                self._line.send(Frames(frames.number + offset, frames.codes[offset : offset + 1]))

    def received(self, wait_s: float = 0.0) -> list[Frames]:
        """What has come so long ago that it may be known."""
        now = self._clock()
        for frames in self._line.received(wait_s):
            self._last = max(self._last, now + self._random.uniform(0, JITTER_S))
            self._held.append((self._last, frames))
        found = []
        while self._held and self._held[0][0] <= now:
            found.append(self._held.popleft()[1])
        return found


def storm(url: str, seconds: float, codebooks: int | None, simulated: bool) -> dict[str, Any]:
    """An edge, a hop at a time."""
    bundle = load_bundle()
    lines: list[Storm] = []
    now_s = 0.0

    def dial(format: CodeFormat) -> Storm:
        if simulated:
            lines.append(Storm(Inside(bundle, format), lambda: now_s))
        else:
            lines.append(Storm(Link(format, Target(url, live=True)), time.monotonic))
        return lines[0]

    delay = frames_within(NETWORK_MS, bundle.separator)
    edge = Edge(bundle, dial, delay, live=True, codebooks=codebooks)
    console = Console.of(["speech"])
    pipeline = Pipeline(edge, Condition.of(console, edge.condition, 1), RATE, 1)
    pipeline.console = console
    pipeline.warm_up()
    gc.freeze()
    size = round(RATE * edge.hop / edge.sample_rate)
    block = np.random.default_rng(0).standard_normal((size, 1)).astype(np.float32) * np.float32(LEVEL)
    hops, came_out, behind_s, wrong = round(seconds * RATE / size), 0, 0.0, 0
    counts, run, before_any, runs, silent = edge.counts, 0, 0, [0], True
    begun = time.monotonic()
    for hop in range(hops):
        now_s = hop * size / RATE
        if not simulated:
            time.sleep(max(0.0, begun + now_s - time.monotonic()))
            behind_s = max(behind_s, time.monotonic() - begun - now_s)
        came_out += len(pipeline.push(block))
        wrong += came_out != pipeline.timing.emitted((hop + 1) * size)
        counts, before = edge.counts, counts
        if counts.lost > before.lost:
            run += 1
        elif counts.frames > before.frames:  # an answer, in time
            before_any, run, silent = (run if silent else before_any), 0, False
        runs.append(0 if silent else run)
    edge.close()
    hop_ms = 1000 * size / RATE
    return {
        "seconds": seconds, "network_ms": NETWORK_MS, "dropped": lines[0].dropped, **asdict(edge.counts),
        "before_the_first_answer_ms": before_any * hop_ms, "longest_concealed_ms": max(runs) * hop_ms,
        "longest_at_s": runs.index(max(runs)) * hop_ms / 1000, "hops_with_another_latency": wrong,
        "edge_itself_behind_ms": 1000 * behind_s,
    }  # fmt: skip


def main() -> None:
    """Measure, print, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--codebooks", type=int, help="Fewer are less work for the edge.")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    hurry()
    before = os.getloadavg()
    with nullcontext(("", 0)) if given.simulated else server() as (url, _):
        report = storm(url, given.seconds, given.codebooks, given.simulated)
    report |= {"load_before": before, "load_after": os.getloadavg()}
    show(report)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
