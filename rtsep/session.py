"""``rtsep run``: what is asked for, wired together, shown while it runs, reported at the end."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rtsep.audio.device import find_device, open_device
from rtsep.audio.file import AudioSink, AudioSource
from rtsep.audio.live import LiveSink, LiveSource
from rtsep.audio.pipe import PipeClosed
from rtsep.compute import compute_device
from rtsep.config import RunSettings
from rtsep.control import PARAMETERS, SetParameter, Status
from rtsep.engine import Engine
from rtsep.models.bundle import load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline, Samples
from rtsep.render import render
from rtsep.worker import Change, Worker

FILE_BLOCK_S = 1.0
"""Sound read at once from a file or pipe on its way to a file."""

LIVE_BLOCK_S = 0.05
"""Sound handled at once where one end is a device or a pipe: short enough to hear what is coming."""

FASTEST_SWITCH_S = 0.0005
"""How long another Python thread may keep the worker waiting; Python's own 5 ms is half a hop."""

console = Console(stderr=True)


def is_file(text: str | None) -> bool:
    """Whether an ``--input`` or ``--output`` means a file or pipe, rather than a device."""
    if text is None:
        return False
    suffix = Path(text).suffix.lstrip(".").upper()
    known = {*soundfile.available_formats(), "AIF", "OPUS"}
    return text == "-" or suffix in known or Path(text).is_file()


def run_session(settings: RunSettings, json_file: Path | None) -> None:
    """Run until the input ends, the duration is over or Ctrl-C; then report."""
    prompts = settings.prompts
    sys.setswitchinterval(FASTEST_SWITCH_S)
    bundle = load_bundle(settings.bundle)
    films = FilmCache(bundle)
    for words in (*prompts.keep, *prompts.remove):
        films(words)  # an impossible prompt is refused before a device is opened
    device = compute_device(settings.compute)
    if device.type == "cpu":
        torch.set_num_threads(1)
    separator = bundle.separator.to(device)
    live = not (is_file(settings.input) or is_file(settings.output))
    report = (_run_live if live else _run_stream)(settings, separator, films)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _run_live(settings: RunSettings, separator: Separator, films: FilmCache) -> dict[str, Any]:
    """Device to device."""
    device = open_device(
        find_device(settings.input, "input"),
        find_device(settings.output, "output"),
        sample_rate=settings.device_rate,
        block=settings.block,
        channels_in=settings.channels or 1,
    )
    engine = Engine(separator, films, device, settings.prompts, settings.reserve_ms)
    for name, value in _turned(settings).items():
        engine.submit(SetParameter(name, value))
    engine.start()
    end = time.monotonic() + settings.duration if settings.duration else float("inf")
    try:
        with Live(console=console, refresh_per_second=8, transient=True) as screen:
            while engine.running and time.monotonic() < end:
                screen.update(status_line(engine.status))
                time.sleep(0.1)
    except KeyboardInterrupt:
        pass
    finally:
        engine.stop()
    return _report(engine.status, engine.worker, engine.latency.terms_ms())


def _run_stream(settings: RunSettings, separator: Separator, films: FilmCache) -> dict[str, Any]:
    """Anything with a file or a pipe at one end."""
    with ExitStack() as stack:
        source = stack.enter_context(_open_source(settings))
        channels = settings.channels or source.channels
        rate = source.sample_rate
        pipeline = Pipeline(separator, Condition.of(settings.prompts, films), rate, channels)
        worker = Worker(pipeline, settings.prompts)
        for name, value in _turned(settings).items():
            worker.changes.put(Change(SetParameter(name, value)))
        files = settings.input not in (None, "-") and source.length is not None and is_file(settings.output)
        size = round(rate * (FILE_BLOCK_S if files else LIVE_BLOCK_S))
        left = round(settings.duration * rate) if settings.duration else None
        sink = stack.enter_context(_open_sink(settings, rate, channels))
        progress = stack.enter_context(_progress())
        total = source.length if left is None or source.length is None else min(left, source.length)
        task = progress.add_task(str(settings.prompts), total=total)
        blocks = (_as_channels(block, channels) for block in _limited(source.blocks(size), left))
        try:
            render(worker, blocks, sink, lambda count: progress.advance(task, count))
        except (KeyboardInterrupt, PipeClosed):
            pass  # what was written stays, finalised; the report follows
        bad = getattr(source, "bad_samples", 0)
        if bad:
            console.print(f"{bad} samples were not numbers and were taken as zero")
    return _report(worker.status, worker, None) | {"bad_samples": bad + worker.status.bad_samples}


def _open_source(settings: RunSettings) -> AudioSource | LiveSource:
    if is_file(settings.input):
        assert settings.input is not None
        return AudioSource(settings.input, sample_rate=settings.device_rate, channels=settings.channels)
    found = find_device(settings.input, "input")
    return LiveSource(found, settings.device_rate, settings.channels or 1, settings.block)


def _open_sink(settings: RunSettings, sample_rate: int, channels: int) -> AudioSink | LiveSink:
    if is_file(settings.output):
        assert settings.output is not None
        return AudioSink(settings.output, sample_rate, channels)
    return LiveSink(find_device(settings.output, "output"), sample_rate, channels, settings.block)


def _turned(settings: RunSettings) -> dict[str, float]:
    """The parameters among the settings."""
    return {name: getattr(settings, name) for name in PARAMETERS if name in RunSettings.model_fields}


def _as_channels(block: Samples, channels: int) -> Samples:
    """Mix down to one channel, or spread one over two, where the user asked for another number."""
    if block.shape[1] == channels:
        return block
    mono = block.mean(axis=1, keepdims=True)
    return np.repeat(mono, channels, axis=1)


def _limited(blocks: Any, left: int | None) -> Any:
    """Blocks until ``left`` samples have passed."""
    for block in blocks:
        if left is not None:
            block = block[:left]
            left -= len(block)
        yield block
        if left == 0:
            return


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def status_line(status: Status) -> str:
    """One line for people: latency, load, dropouts, levels, prompt."""
    return (
        f"latency {status.latency_ms:.1f} ms  load {100 * status.load:3.0f} %  dropouts {status.dropouts}  "
        f"in {status.peak_in_db:6.1f} dB  out {status.peak_out_db:6.1f} dB  {status.prompt}"
    )


def _report(status: Status, worker: Worker, terms_ms: dict[str, float] | None) -> dict[str, Any]:
    """The final report, shown and returned for ``--json``."""
    seconds = status.seconds
    timing = worker.pipeline.timing
    algorithmic_ms = 1000 * (timing.hop + timing.lookahead) / timing.model_rate
    report: dict[str, Any] = {
        "prompt": status.prompt,
        "seconds": seconds,
        "hops": status.hops,
        "dropouts": status.dropouts,
        "rtf": worker.busy_s / seconds if seconds else None,
        # A file comes out aligned: what is left is what the model would cost live.
        "latency_ms": status.latency_ms if terms_ms else algorithmic_ms,
        "latency_terms_ms": terms_ms,
        "bad_samples": status.bad_samples,
    }
    rtf = f"{report['rtf']:.2f}" if seconds else "-"
    console.print(
        f"{seconds:.1f} s, {status.dropouts} dropouts, latency {report['latency_ms']:.1f} ms, "
        f"real-time factor {rtf}", highlight=False,
    )  # fmt: skip
    return report
