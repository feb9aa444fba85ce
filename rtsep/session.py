"""``rtsep run``: what is asked for, wired together, run until it ends, reported."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from rtsep.audio.device import find_device, open_device
from rtsep.audio.live import LiveSink, LiveSource
from rtsep.audio.pipe import PipeClosed
from rtsep.compute import compute_device
from rtsep.config import RunSettings
from rtsep.control import PARAMETERS, SetParameter
from rtsep.display import progress_bar, show_report, status_line
from rtsep.ends import as_channels, check_ends, is_file, open_sink, open_source
from rtsep.engine import SWITCH_INTERVAL_S, Engine
from rtsep.errors import ConfigError
from rtsep.models.bundle import load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline, Samples
from rtsep.render import render
from rtsep.worker import Change, Worker

FILE_BLOCK_S = 1.0
"""Sound read at once from a file on its way to a file."""

LIVE_BLOCK_S = 0.05
"""Sound handled at once where one end is a device or a pipe: short enough to hear what is coming."""


def run_session(settings: RunSettings, json_file: Path | None) -> None:
    """Run until the input ends, the duration is over, or SIGINT or SIGTERM; then report.

    Raises:
        RtsepError: something that the user can mend.
    """
    prompts = settings.prompts
    check_ends(settings, json_file)
    device = compute_device(settings.compute)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    bundle = load_bundle(settings.bundle)
    films = FilmCache(bundle)
    for words in (*prompts.keep, *prompts.remove):
        films(words)  # an impossible prompt is refused before a device is opened
    if device.type == "cpu":
        torch.set_num_threads(1)
    separator = bundle.separator.to(device)
    live = not (is_file(settings.input) or is_file(settings.output))
    report = (_run_live if live else _run_stream)(settings, separator, films)
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write the report to {json_file}: {error.strerror}") from error


def _run_live(settings: RunSettings, separator: Separator, films: FilmCache) -> dict[str, Any]:
    """Device to device, with a promised latency."""
    device = open_device(
        find_device(settings.input, "input"),
        find_device(settings.output, "output"),
        sample_rate=settings.device_rate,
        block=settings.block,
        channels_in=settings.channels or 1,
        channels_out=settings.channels if settings.channels == 2 else None,
    )
    engine = Engine(separator, films, device, settings.prompts, settings.reserve_ms)
    for name, value in _turned(settings).items():
        engine.submit(SetParameter(name, value))
    with _until_interrupted(), _stopped_after(engine), status_line() as show:
        engine.start()
        end = time.monotonic() + (settings.duration or float("inf"))
        while engine.running and (left := end - time.monotonic()) > 0:
            show(engine.status)
            time.sleep(min(0.1, left))
    terms_ms = engine.latency.terms_ms()
    report = _report(engine.worker, engine.status.dropouts, terms_ms["total"])
    show_report(report)
    return report | {"latency_terms_ms": terms_ms}


def _run_stream(settings: RunSettings, separator: Separator, films: FilmCache) -> dict[str, Any]:
    """Anything with a file or a pipe at one end."""
    with open_source(settings) as source:
        channels, rate = settings.channels or source.channels, source.sample_rate
        condition = Condition.of(settings.prompts, films)
        worker = Worker(Pipeline(separator, condition, rate, channels), settings.prompts)
        for name, value in _turned(settings).items():
            worker.changes.put(Change(SetParameter(name, value)))
        most = max(1, round(settings.duration * rate)) if settings.duration else None
        total = min((length for length in (source.length, most) if length is not None), default=None)
        files = all(is_file(end) and end != "-" for end in (settings.input, settings.output))
        size = max(1, round(rate * (FILE_BLOCK_S if files else LIVE_BLOCK_S)))
        blocks = (as_channels(block, channels) for block in _limited(source.blocks(size), most))
        ends: list[object] = [source]

        def lost() -> int:
            return sum(end.dropouts for end in ends if isinstance(end, LiveSource | LiveSink))

        quiet = False
        try:
            with _until_interrupted(), open_sink(settings, rate, channels) as sink:
                ends.append(sink)
                with _shown(worker, total, lost) as heard:
                    render(worker, blocks, sink, heard)
        except PipeClosed:
            quiet = True  # whoever listened has had enough
        dropouts = lost()
    # A file comes out aligned: what is left is what the model would cost live.
    timing = worker.pipeline.timing
    report = _report(worker, dropouts, 1000 * (timing.hop + timing.lookahead) / timing.model_rate)
    report["bad_samples"] += source.bad_samples
    if not quiet:
        show_report(report)
    return report


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """SIGINT or SIGTERM ends the block, as its regular end would; more of them do not disturb that."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _stopped_after(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.stop()


@contextmanager
def _shown(worker: Worker, total: int | None, lost: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """A progress bar where the end is known, otherwise the status; takes the samples of each block."""
    if total is not None:
        with progress_bar(worker.status.prompt, total) as heard:
            yield heard
    else:
        with status_line() as show:
            yield lambda count: show(replace(worker.status, dropouts=lost()))


def _turned(settings: RunSettings) -> dict[str, float]:
    """The parameters among the settings."""
    return {name: getattr(settings, name) for name in PARAMETERS if name in RunSettings.model_fields}


def _limited(blocks: Iterable[Samples], most: int | None) -> Iterator[Samples]:
    """Blocks until ``most`` samples have passed."""
    left = most
    for block in blocks:
        if left is None:
            yield block
            continue
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return


def _report(worker: Worker, dropouts: int, latency_ms: float) -> dict[str, Any]:
    """What ``--json`` writes."""
    status = worker.status
    return {
        "prompt": status.prompt,
        "seconds": status.seconds,
        "hops": status.hops,
        "dropouts": dropouts,
        "rtf": worker.busy_s / status.seconds if status.seconds else None,
        "latency_ms": latency_ms,
        "bad_samples": status.bad_samples,
    }
