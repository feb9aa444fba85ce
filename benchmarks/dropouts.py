"""Dropouts of a live engine on a JACK server, beside those of a C client in the same minute.

Two dummy servers of equal rate and period run side by side, so that neither client can hurt the other:
on one an ``rtsep.Engine`` with busy Python threads in the process that has it, on the other ``jack_thru``,
JACK's own C client, which shows what the machine itself is good for.

What is counted: for the engine, callbacks that found nothing to play or that the server reported as
late, as ``rtsep run`` counts them (``Engine.status``); for ``jack_thru``, cycles that its server reported
as xruns, whether the driver or the client was late. Both as a share of all callbacks.

    python benchmarks/dropouts.py --seconds 60 --busy 1 --json dropouts.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jack_server
from rich.console import Console
from rich.table import Table

from rtsep.config import DEFAULT_RESERVE_MS
from rtsep.live.engine import Engine

RATE = 48_000
PROMPT = "dog barking"
SETTLE_S = 1.0
"""What passes before the counting: opening a client disturbs a server."""


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--busy", type=int, default=1, help="busy Python threads beside the engine")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--reserve-ms", type=float, default=DEFAULT_RESERVE_MS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours, theirs = (Path(folder) / name for name in ("rtsep", "thru"))
        for place in (ours, theirs):
            place.mkdir()
        baseline = stack.enter_context(jack_server.server(theirs, RATE, options.block))
        stack.enter_context(thru(baseline))
        environment = stack.enter_context(jack_server.server(ours, RATE, options.block))
        os.environ.update(environment)  # before the process of the card is started
        logs = [Path(each["JACK_SERVER_LOG"]) for each in (environment, baseline)]
        report = _measure(options, logs)
    Console().print(_table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _measure(options: argparse.Namespace, logs: list[Path]) -> dict[str, Any]:
    with Engine(PROMPT, separator=options.bundle, reserve_ms=options.reserve_ms) as engine:
        with busy(options.busy):
            time.sleep(SETTLE_S)
            before = (engine.status.dropouts, [xruns(log) for log in logs], ticks())
            load = watch(engine, options.seconds)
            after = (engine.status.dropouts, [xruns(log) for log in logs], ticks())
        latency = engine.latency
    callbacks = options.seconds * RATE / options.block
    own = 100 * (after[0] - before[0]) / callbacks
    server, thru = (100 * (b - a) / callbacks for a, b in zip(before[1], after[1], strict=True))
    passed = [end - start for start, end in zip(before[2], after[2], strict=True)]
    return {
        "bundle": options.bundle,
        "seconds": options.seconds,
        "block": options.block,
        "busy_threads": options.busy,
        "rtsep_dropouts_percent": own,
        "jack_thru_dropouts_percent": thru,
        "excess_percent": own - thru,
        "rtsep_server_xruns_percent": server,
        "load_percent": 100 * load,
        "latency_samples": latency.total,
        "latency_ms": latency.ms(latency.total),
        "steal_percent": 100 * passed[7] / sum(passed),
        "idle_percent": 100 * passed[3] / sum(passed),
    }


def watch(engine: Engine, seconds: float) -> float:
    """Let it play; returns its load on an average."""
    end, loads = time.monotonic() + seconds, []
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        loads.append(engine.status.load)
    return statistics.fmean(loads)


@contextmanager
def thru(environment: dict[str, str]) -> Iterator[None]:
    """``jack_thru`` on the server of that environment."""
    # It ends when its stdin does not matter; its output would mix with the table.
    client = subprocess.Popen(
        ["jack_thru"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
        if client.poll() is not None:
            raise RuntimeError(f"jack_thru ended by itself with code {client.returncode}")
    finally:
        client.terminate()
        client.wait(10)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many Python threads that never let go of the interpreter on their own."""
    stop = threading.Event()

    def count_up() -> None:
        number = 0
        while not stop.is_set():
            number += 1

    threads = [threading.Thread(target=count_up, name=f"busy-{index}") for index in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def xruns(log: Path) -> int:
    """Cycles that a server has reported as missed so far."""
    return log.read_text(encoding="utf-8", errors="replace").count("XRun")


def ticks() -> list[int]:
    """The machine's time so far: user, nice, system, idle, iowait, irq, softirq, steal (man 5 proc)."""
    return [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split()[1:9]]


def _table(report: dict[str, Any]) -> Table:
    title = "{seconds:g} s at 48 kHz, block {block}, busy threads: {busy_threads}".format(**report)
    table = Table("figure", "value", title=title)
    table.columns[1].justify = "right"
    for name, value in list(report.items())[4:]:
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    return table


if __name__ == "__main__":
    main()
