"""Memory over ten minutes of sound from file to file: resident size after one minute against the end.

python benchmarks/memory.py --minutes 10 --json memory.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table

from rtsep import control
from rtsep.audio.file import AudioSink, AudioSource
from rtsep.models.bundle import load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.pipeline import Pipeline
from rtsep.render import render
from rtsep.runs import FILE_BLOCK_S
from rtsep.worker import Worker

PROMPT = "dog barking"


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--rate", type=int, default=48_000)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.wav", Path(folder) / "out.wav"
        _write_noise(source, options.minutes, options.rate, options.channels)
        report = _measure(options.bundle, source, target)
    table = Table(
        "figure", "value", title=f"{options.minutes} minutes, {options.rate} Hz, {options.channels} ch"
    )
    for name, value in report.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _measure(bundle_name: str, source_path: Path, target_path: Path) -> dict[str, Any]:
    """Run the file through, as ``rtsep run`` does, with a look at the memory after every minute."""
    bundle, console = load_bundle(bundle_name), control.Console.of([PROMPT])
    resident: list[float] = []
    with AudioSource(source_path) as source:
        rate, channels = source.sample_rate, source.channels
        parameters = bundle.separator.film_head.out.out_features
        condition = Condition.of(console, FilmCache(bundle), parameters)
        worker = Worker(Pipeline(bundle.separator, condition, rate, channels), console)
        heard = 0

        def count(samples: int) -> None:
            nonlocal heard
            heard += samples
            if heard % (60 * rate) == 0:
                resident.append(_resident_mb())

        with AudioSink(target_path, rate, channels) as sink:
            render(worker, source.blocks(round(rate * FILE_BLOCK_S)), sink, count)
    length_in, length_out = (soundfile.info(path).frames for path in (source_path, target_path))
    return {
        "bundle": bundle_name,
        "resident_mb_after_1_minute": resident[0],
        "resident_mb_at_the_end": resident[-1],
        "growth_mb": resident[-1] - resident[0],
        "samples_in": length_in,
        "samples_out": length_out,
        "rtf": worker.busy_s / worker.status.seconds,
    }


def _write_noise(path: Path, minutes: int, rate: int, channels: int) -> None:
    random = np.random.default_rng(0)
    with AudioSink(path, rate, channels, subtype="PCM_16") as sink:
        for _ in range(60 * minutes):
            sink.write((0.1 * random.standard_normal((rate, channels))).astype(np.float32))


def _resident_mb() -> float:
    """Resident size of this process (man 5 proc: pages, the second field)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()
