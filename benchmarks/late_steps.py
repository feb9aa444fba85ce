"""Late steps of 1 to 50 hops: how long until the promised latency is back, to the sample.

A whole engine on the fake device, whose callbacks are counted instead of timed. A steady tone of numbered
samples goes in, with a mask of ones; the worker then misses so many hops. From the first callback after which
it answers again, the time until what is played is again exactly what was captured so long ago.

    python benchmarks/late_steps.py --json late.json
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console as Screen
from rich.table import Table

from rtsep.audio.fake import FakeDevice
from rtsep.control import Console
from rtsep.engine import Engine
from rtsep.models.bundle import load_bundle
from rtsep.models.prompts import FilmTable
from rtsep.models.separator import Separator

RATE = 48_000
LATE_HOPS = (1, 2, 3, 5, 8, 13, 21, 34, 50)


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--all", action="store_true", help="every number of hops from 1 to 50")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    separator = load_bundle(options.bundle).separator
    hops = range(1, 51) if options.all else LATE_HOPS
    rows = [late_step(separator, late, options.block) for late in hops]
    table = Table("hops late", "latency, samples", "back after, ms", "dropouts", title="late steps")
    for row in rows:
        table.add_row(*(f"{value:g}" for value in row.values()))
    Screen().print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def late_step(separator: Separator, late_hops: int, block: int = 256) -> dict[str, Any]:
    """Miss ``late_hops`` hops once, on a bypassed engine whose output is its input to the bit of a float.

    Returns:
        Hops, latency in samples before and after, milliseconds from the worker's return until the promise
        holds for good, dropouts counted.
    """
    missed = math.ceil(late_hops * separator.hop / separator.sample_rate * RATE / block)
    x = np.arange(1, (200 + missed) * block + 1, dtype=np.float32)[:, None] / 2**22
    device = FakeDevice(x, RATE, block, ring_samples=65536)
    console = Console().turned("bypass", True)
    engine = Engine(separator, FilmTable(), device, console)
    engine.open()
    for number in range(200 + missed):
        device.tick()
        if not 50 <= number < 50 + missed:
            engine.step()
    latency, played = engine.latency.engine, device.played[:, 0]
    late = np.flatnonzero(np.abs(played[latency:] - x[: len(x) - latency, 0]) > 2**-23)
    back_at = latency + int(late[-1]) + 1 if len(late) else 0
    returned = (50 + missed) * block
    return {
        "late_hops": late_hops,
        "latency_samples": latency,
        "back_after_ms": max(0, back_at - returned) / RATE * 1000,
        "dropouts": device.dropouts,
    }


if __name__ == "__main__":
    main()
