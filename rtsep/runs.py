"""What ``rtsep run`` does once everything is loaded: wire together, run to the end, report."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace
from types import FrameType
from typing import Any

import torch

from rtsep.audio.contract import Samples
from rtsep.audio.live import LiveSink, LiveSource
from rtsep.audio.pipe import PipeClosed
from rtsep.compute import compute_device
from rtsep.config import RunSettings
from rtsep.control import Console
from rtsep.display import progress_bar, say, show_report, status_line, teller
from rtsep.effects.protocol import Format
from rtsep.effects.rack import Rack
from rtsep.ends import as_channels, is_file, open_sink, open_source, stem_count
from rtsep.engine import SWITCH_INTERVAL_S
from rtsep.errors import ConfigError
from rtsep.lanes import Lanes
from rtsep.live.card import SoundCard
from rtsep.live.session import Session
from rtsep.models.condition import Condition
from rtsep.pipeline import Pipeline
from rtsep.priority import HINT
from rtsep.render import render
from rtsep.separators.conditions import Conditions
from rtsep.separators.protocol import LiveSeparator
from rtsep.separators.registry import open_separator
from rtsep.serve.edge import Edge
from rtsep.worker import Worker

FILE_BLOCK_S = 1.0
"""Sound read at once from a file on its way to a file."""

ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""The signals that end a run in good order; which there are depends on the system."""

LIVE_BLOCK_S = 0.05
"""Sound handled at once where one end is a device or a pipe: short enough to hear what is coming."""


def run(settings: RunSettings, console: Console, card: SoundCard | None) -> dict[str, Any]:
    """Run until the input ends, the duration is over, or it is asked to end.

    Args:
        settings: as a command line gives them.
        console: what is heard first.
        card: that has begun to open; None where one end is a file or a pipe.

    Returns:
        The report that ``--json`` writes.

    Raises:
        RtsepError: something that the user can mend.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    separator = _separator(settings, live=card is not None)
    films = Conditions(separator)
    for index in console.used:
        films(console.strips[index].text)  # an impossible prompt is refused before anything is heard
    if separator.device.type == "cpu":
        torch.set_num_threads(1)
    with closing(separator):
        if card is not None:
            report = _run_live(settings, console, separator, films, card)
        else:
            report = _run_stream(settings, console, separator, films)
    if isinstance(separator, Edge):
        report["network"] = asdict(separator.counts)
    return report


def _separator(settings: RunSettings, live: bool) -> LiveSeparator:
    """The one that the settings name, here or on a server."""
    if settings.server is None:
        return open_separator(settings.bundle, compute_device(settings.compute))
    try:
        from rtsep.serve.dial import open_edge
    except ImportError as error:
        raise ConfigError(f"--server needs {error.name}: pip install 'rtsep[serve]'") from error
    return open_edge(settings, live=live)


def _run_live(
    settings: RunSettings,
    console: Console,
    separator: LiveSeparator,
    films: Conditions,
    card: SoundCard,
) -> dict[str, Any]:
    """Device to device, with a promised latency."""
    live = Session(settings, console, separator, films, card=card)
    engine = live.engine
    with _until_interrupted(), live, status_line() as show:
        end = time.monotonic() + (settings.duration or float("inf"))
        tell, hinted = teller(), False
        while engine.running and (left := end - time.monotonic()) > 0:
            if engine.realtime is False and not hinted:
                say(HINT)
                hinted = True
            status = engine.status
            show(status)
            tell(status)
            time.sleep(min(0.1, left))
    terms_ms = engine.latency.terms_ms()
    report = _report(engine.worker, terms_ms["total"])
    show_report(report)
    return report | {"latency_terms_ms": terms_ms}


def _run_stream(
    settings: RunSettings, console: Console, separator: LiveSeparator, films: Conditions
) -> dict[str, Any]:
    """Anything with a file or a pipe at one end."""
    with ExitStack() as stack:
        source = open_source(settings)
        stack.enter_context(source)
        channels, rate = settings.channels or source.channels, source.sample_rate
        stems = stem_count(settings, console)
        files = all(is_file(end) and end != "-" for end in (settings.input, settings.output))
        form = Format.at(separator, rate, channels)
        played = not (is_file(settings.input) and is_file(settings.output))  # a pipe waits as files do
        rack = stack.enter_context(Rack(settings.inserts, form, played, settings.insert_reserve_ms))
        console = replace(console, inserts=rack.inserts)
        condition = Condition.of(console, films, separator.condition_size, stems, inserted=rack.strips)
        lanes = Lanes(rack, stems, console, rate)
        worker = Worker(Pipeline(separator, condition, rate, channels, lanes=lanes), console)
        most = max(1, round(settings.duration * rate)) if settings.duration else None
        total = min((length for length in (source.length, most) if length is not None), default=None)
        size = max(1, round(rate * (FILE_BLOCK_S if files else LIVE_BLOCK_S)))
        blocks = (as_channels(block, channels) for block in _limited(source.blocks(size), most))
        ends: list[object] = [source]

        def lost() -> int:
            return sum(end.dropouts for end in ends if isinstance(end, LiveSource | LiveSink))

        quiet = False
        try:
            with _until_interrupted(), open_sink(settings, rate, channels, console, total) as sink:
                ends.append(sink)
                with _shown(worker, total, lost) as heard:
                    render(worker, blocks, sink, heard)
                teller()(worker.status)
        except PipeClosed:
            quiet = True  # whoever listened has had enough
        dropouts = lost()
    # A file comes out aligned: what is left is what the model would cost live.
    timing = worker.pipeline.timing
    model_ms = 1000 * (timing.hop + timing.lookahead) / timing.model_rate
    report = _report(worker, model_ms + 1000 * timing.inserts / timing.sample_rate)
    report["bad_samples"] += source.bad_samples
    report["dropouts"] = dropouts
    if not quiet:
        show_report(report)
    return report


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Whatever asks a program to end ends the block as its regular end would; asking again does nothing."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.getsignal(each) for each in ENDING}
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
def _shown(worker: Worker, total: int | None, lost: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """A progress bar where the end is known, otherwise the status; takes the samples of each block."""
    if total is not None:
        with progress_bar(worker.status.prompt, total) as heard:
            yield heard
    else:
        with status_line() as show:
            yield lambda count: show(replace(worker.status, dropouts=lost()))


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


def _report(worker: Worker, latency_ms: float) -> dict[str, Any]:
    """What ``--json`` writes."""
    status = worker.status
    return {
        "prompt": status.prompt,
        "seconds": status.seconds,
        "hops": status.hops,
        "dropouts": status.dropouts,
        "rtf": worker.busy_s / status.seconds if status.seconds else None,
        "latency_ms": latency_ms,
        "bad_samples": status.bad_samples,
        "clipped_samples": status.level_out.clipped,
        "insert_faults": [fault for fault in status.insert_faults if fault],
    }
