"""How long from the command until separated sound, and what memory that takes.

``rtsep run`` on a JACK dummy server, asked over OSC until it says that sound goes through. Cold is the first
start with an empty cache folder: words that the bundle does not bring have to be looked up, and the fastest
way to run a hop is not known. Warm is any later one. What the system keeps of files in memory stays there.

Memory is the proportional set size (man 5 proc, smaps_rollup) of the program and of all processes it has
started: the card's, and the text encoder's, which waits for new words. Resident sizes are summed beside it;
they count what processes share once for each.

    python benchmarks/first_sound.py --rounds 5 --json first_sound.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import jack_server
from jack_kills import running
from rich.console import Console as Screen
from rich.table import Table

PROMPT = "a kettle that begins to sing"
"""Words that no bundle brings."""

SETTLE_S = 5.0
"""What passes before memory is looked at: the text encoder loads beside the sound."""


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="warm starts")
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, jack_server.server(Path(folder)) as server:
        environment = {**server, "XDG_CACHE_HOME": f"{folder}/cache"}
        rows = [first_sound(environment, options.bundle) for _ in range(options.rounds + 1)]
    cold, *warm = rows
    report = {
        "cold_start_s": cold["seconds"],
        "warm_start_median_s": statistics.median(row["seconds"] for row in warm),
        "warm_start_worst_s": max(row["seconds"] for row in warm),
        "proportional_mb": max(row["proportional_mb"] for row in rows),
        "resident_sum_mb": max(row["resident_mb"] for row in rows),
        "processes": max(row["processes"] for row in rows),
        "load_average": os.getloadavg()[0],
        "processors": os.cpu_count(),
    }
    table = Table("figure", "value", title="the first sound")
    for name, value in report.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    Screen().print(table)
    if options.json:
        options.json.write_text(json.dumps(report | {"starts": rows}, indent=2) + "\n", encoding="utf-8")


def first_sound(environment: dict[str, str], bundle: str) -> dict[str, Any]:
    """Start, wait for sound, look at the memory, stop."""
    started = time.monotonic()
    with running(environment, bundle, PROMPT) as engine:
        engine.until(lambda: (engine.ask("/rtsep/seconds") or 0) > 0)
        seconds = time.monotonic() - started
        time.sleep(SETTLE_S)
        family = descendants(engine.process.pid)
        return {
            "seconds": seconds,
            "processes": len(family),
            "proportional_mb": sum(memory_mb(pid, "Pss") for pid in family),
            "resident_mb": sum(memory_mb(pid, "Rss") for pid in family),
        }


def descendants(pid: int) -> list[int]:
    """A process and all that it has started, and those."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            found += descendants(int(child))
    return found


def memory_mb(pid: int, kind: str) -> float:
    """Megabytes of one kind that a process holds."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, size = line.partition(":")
        if name == kind:
            return int(size.split()[0]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has no {kind}")


if __name__ == "__main__":
    main()
