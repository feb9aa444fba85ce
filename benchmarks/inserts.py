"""A chain of effects in a live engine on a JACK server: dropouts beside a C client's, round trip, null test.

The chain is a real VST3 of Debian's zam-plugins on a strip, which looks ahead and says so, and two of
pedalboard's own effects, all at unity. Two dummy servers run side by side: on one the engine, with busy
Python threads beside it, on the other ``jack_thru``, as in ``dropouts.py``, which says what is counted.

    python benchmarks/inserts.py --minutes 2 --json inserts.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import dropouts
import jack_server
import numpy as np
from rich.console import Console as Screen
from rich.table import Table

from rtsep.config import DEFAULT_RESERVE_MS
from rtsep.control import Console, InsertSpec
from rtsep.effects.protocol import Format
from rtsep.effects.rack import Rack
from rtsep.lanes import Lanes
from rtsep.live.engine import Engine
from rtsep.models.bundle import load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.pipeline import Pipeline, Samples

RATE = dropouts.RATE
PROMPT = dropouts.PROMPT
CHAIN = (
    "prompt/1:/usr/lib/vst3/ZaMaximX2.vst3",
    "prompt/1:Compressor:ratio=1",
    "out:BrickwallLimiter:ceiling_db=0",
)
READINGS = 8
"""Of ``jack_iodelay``; the most frequent one counts, since those during a late period show that period."""


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--busy", type=int, default=0, help="busy Python threads beside the engine")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--reserve-ms", type=float, default=DEFAULT_RESERVE_MS)
    parser.add_argument("--insert-reserve-ms", type=float, default=0.0)
    parser.add_argument("--insert", action="append", help="instead of the chain; '' for none; repeats")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    inserts = tuple(filter(None, CHAIN if options.insert is None else options.insert))
    report: dict[str, Any] = {"minutes": options.minutes, "inserts": list(inserts)}
    report |= _null(inserts)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours, theirs = (Path(folder) / name for name in ("rtsep", "thru"))
        for place in (ours, theirs):
            place.mkdir()
        baseline = stack.enter_context(jack_server.server(theirs, RATE, options.block))
        stack.enter_context(dropouts.thru(baseline))
        environment = stack.enter_context(jack_server.server(ours, RATE, options.block))
        os.environ.update(environment)  # before the process of the card is started
        report |= _live(options, inserts, Path(baseline["JACK_SERVER_LOG"]))
    Screen().print(_table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _null(inserts: tuple[str, ...]) -> dict[str, Any]:
    """How far the chain's output is from the output without it, over ten seconds of noise, dBFS."""
    bundle = load_bundle("default")
    films = FilmCache(bundle)
    noise = 0.05 * np.random.default_rng(0).standard_normal((10 * RATE, 1)).astype(np.float32)
    outputs: list[Samples] = []
    for each in ((), inserts):
        form = Format.at(bundle.separator, RATE, 1)
        with Rack([InsertSpec.parse(text) for text in each], form, live=False) as rack:
            console = replace(Console.of([PROMPT]), inserts=rack.inserts)
            parameters = bundle.separator.film_head.out.out_features
            condition = Condition.of(console, films, parameters, inserted=rack.strips)
            lanes = Lanes(rack, 0, console, RATE)
            pipeline = Pipeline(bundle.separator, condition, RATE, 1, lanes=lanes)
            pipeline.console = (
                console  # else no fader is up, and the chain's null would be silence against sound
            )
            outputs.append(pipeline.push(noise))
            if any(rack.faults):  # bypassed, it would be a perfect null
                raise RuntimeError(f"no null test: {rack.faults}")
    plain, chained = outputs
    difference = np.abs(chained - plain[: len(chained)]).max()
    return {
        "null_dbfs": float(20 * np.log10(difference + 1e-30)),
        "output_peak_dbfs": float(20 * np.log10(np.abs(plain).max())),
    }


def _live(options: argparse.Namespace, inserts: tuple[str, ...], baseline_log: Path) -> dict[str, Any]:
    seconds = 60 * options.minutes
    reserves = {"reserve_ms": options.reserve_ms, "insert_reserve_ms": options.insert_reserve_ms}
    with Engine(PROMPT, inserts=inserts, block=options.block, **reserves) as engine:
        found = _round_trip(engine)
        with dropouts.busy(options.busy):
            time.sleep(dropouts.SETTLE_S)
            engine.reset_counts()
            before = dropouts.xruns(baseline_log), dropouts.ticks()
            load, bypassed, faults = _watched(engine, seconds)
            after = dropouts.xruns(baseline_log), dropouts.ticks()
        status, latency = engine.status, engine.latency
    callbacks = seconds * RATE / options.block
    own, thru = 100 * status.dropouts / callbacks, 100 * (after[0] - before[0]) / callbacks
    ticks = [end - start for start, end in zip(before[1], after[1], strict=True)]
    return {
        "busy_threads": options.busy,
        "declared_latency_samples": latency.total,
        "of_these_inserts": latency.inserts,
        "measured_latency_samples": found,
        "rtsep_dropouts_percent": own,
        "jack_thru_dropouts_percent": thru,
        "excess_percent": own - thru,
        "of_the_time_one_bypassed_percent": 100 * bypassed,
        "faults_at_the_end": faults,
        "load_percent": 100 * load,
        "steal_percent": 100 * ticks[7] / sum(ticks),
        "idle_percent": 100 * ticks[3] / sum(ticks),
    }


def _watched(engine: Engine, seconds: float) -> tuple[float, float, list[str]]:
    """Let it play, and look ten times a second: the average load, the share of looks at which an insert was
    bypassed, and why at the end."""
    loads, bypassed, known, end = [], [], engine.status.insert_faults, time.monotonic() + seconds
    while engine.running and time.monotonic() < end:
        time.sleep(0.1)
        now = engine.status
        loads.append(now.load)
        known = now.insert_faults
        bypassed.append(any(known))
    return statistics.fmean(loads), statistics.fmean(bypassed), [fault for fault in known if fault]


def _round_trip(engine: Engine) -> int:
    """Samples from a JACK port into the engine and out again to another, as ``jack_iodelay`` hears it.

    Bypassed, since the model makes something else of its tone: that is delayed to match.
    """
    engine["bypass"] = True
    meter = subprocess.Popen(["stdbuf", "-oL", "jack_iodelay"], stdout=subprocess.PIPE, text=True)
    try:
        ports = _ports()
        ours_in = next(port for port in ports if port.endswith(":in_0"))
        ours_out = next(port for port in ports if port.endswith(":out_0"))
        subprocess.run(["jack_disconnect", "system:capture_1", ours_in], check=True)
        subprocess.run(["jack_connect", "jack_delay:out", ours_in], check=True)
        subprocess.run(["jack_connect", ours_out, "jack_delay:in"], check=True)
        assert meter.stdout is not None
        lines = (line for line in meter.stdout if "total roundtrip" in line)
        found = [round(float(next(lines).split()[0])) for _ in range(READINGS)]
    finally:
        meter.terminate()
        meter.wait(10)
    engine["bypass"] = False
    return max(set(found), key=found.count)


def _ports() -> list[str]:
    """Every port, as soon as the meter has its own."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        listed = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
        if "jack_delay:in" in listed:
            return listed
        time.sleep(0.1)
    raise RuntimeError("jack_iodelay has opened no port in 20 s")


def _table(report: dict[str, Any]) -> Table:
    title = f"{report['minutes']:g} min at 48 kHz, {' '.join(report['inserts']) or 'no inserts'}"
    table = Table("figure", "value", title=title)
    table.columns[1].justify = "right"
    for name, value in list(report.items())[2:]:
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    return table


if __name__ == "__main__":
    main()
