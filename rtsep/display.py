"""What a run shows on stderr: a status line or a progress bar while it goes on, one line at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from rtsep.control import Status

_REFRESH_HZ = 8

console = Console(stderr=True)


@contextmanager
def status_line() -> Iterator[Callable[[Status], None]]:
    """A line that shows the last status it was given; nothing where stderr is no terminal."""
    if not console.is_terminal:
        yield lambda status: None
        return
    with Live(console=console, refresh_per_second=_REFRESH_HZ, transient=True) as screen:
        yield lambda status: screen.update(Text(_in_words(status), no_wrap=True, overflow="ellipsis"))


@contextmanager
def progress_bar(prompt: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that moves on by the samples it is told of; nothing where stderr is no terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as progress:
        task = progress.add_task(prompt, total=total)
        yield lambda count: progress.advance(task, count)


def say(text: str) -> None:
    """One line that stays."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def teller() -> Callable[[Status], None]:
    """What says, of every status it is given, what has gone wrong since the one before."""
    known: tuple[str, ...] = ()

    def tell(status: Status) -> None:
        nonlocal known
        now = (status.fault, status.overload, *status.insert_faults)
        for fault in now:
            if fault and fault not in known:
                say(fault)
        known = now

    return tell


def show_report(report: dict[str, Any]) -> None:
    """The one line at the end."""
    rtf = f"{report['rtf']:.2f}" if report["seconds"] else "-"
    bad, clipped = report["bad_samples"], report["clipped_samples"]
    console.print(
        f"{report['seconds']:.1f} s, {report['dropouts']} dropouts, latency {report['latency_ms']:.1f} ms, "
        f"real-time factor {rtf}"
        + (f", {bad} samples were not numbers and were taken as zero" if bad else "")
        + (f", {clipped} samples of the result at full scale or above: lower --gain" if clipped else ""),
        highlight=False,
        soft_wrap=True,
    )


def _in_words(status: Status) -> str:
    """Latency, if it is promised, load, dropouts, levels, prompt."""
    latency = f"latency {status.latency_ms:.1f} ms  " if status.latency_ms else ""
    return (
        f"{latency}load {100 * status.load:3.0f} %  dropouts {status.dropouts}  "
        f"in {status.level_in.peak_db:6.1f} dB  out {status.level_out.peak_db:6.1f} dB  {status.prompt}"
    )
