"""Whether the machine keeps up with the sound, and what is done without where it does not.

The order is known: first the strips used last are left out, one after the other, then hops go through the
model eight at a time, which takes less time for each and adds to the latency. Nothing is done without unless
that is allowed; it is said in any case.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rtsep.control import Console
from rtsep.pipeline import Pipeline

ROOM = 0.8
"""The share of real time, foreseen at the start, that leaves room for the rest of the machine."""

LATE = 0.95
"""Measured over ``WINDOW_S``, a share above which the reserve is used up sooner or later."""

EASY = 0.6
"""Below it a strip that was left out may come back."""

WINDOW_S = 3.0

EASY_WINDOWS = 10
"""So many easy windows in a row before a strip comes back; twice as many after each return."""

CHUNK_HOPS = 8
"""Hops of a larger chunk. Measured per hop with one prompt, the graph of one hop being 1: two together take
1.6, four 0.85, eight 0.5; with eight prompts 1.5, 0.87 and 0.58 (docs/faults.md)."""

REHEARSAL_S = 0.25
"""What the benchmark at the start takes at most, and a hop."""

_REHEARSED = 25
"""Hops after which it knows enough."""


@dataclass(frozen=True)
class Cut:
    """What is done without."""

    left_out: int = 0
    """Strips, the last ones in use first."""
    chunk_hops: int = 1
    """Hops that go through the model together."""

    def thinned(self, console: Console) -> Console:
        """A console whose last strips in use are off; one stays."""
        strips = list(console.strips)
        for index in self.missing(console):
            strips[index] = replace(strips[index], enable=False)
        return replace(console, strips=tuple(strips))

    def missing(self, console: Console) -> tuple[int, ...]:
        """Indices, from 0, of the strips that are left out."""
        return console.used[1:][-self.left_out :] if self.left_out else ()

    def further(self, console: Console) -> Cut:
        """The next step; itself where there is none."""
        if len(console.used) - self.left_out > 1:
            return replace(self, left_out=self.left_out + 1)
        return replace(self, chunk_hops=CHUNK_HOPS)


class Load:
    """Judges the load of an engine. All but ``said`` is for the thread that drives the engine.

    Args:
        degrade: whether anything may be done without.
        lighter: another model that would take less, to be suggested.
        clock: seconds that pass.
    """

    def __init__(
        self,
        degrade: bool = False,
        lighter: str | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.clock = clock
        self.cut = Cut()
        self._degrade, self._lighter = degrade, lighter
        self._late: tuple[float, bool] | None = None  # share of real time; whether that was foreseen
        self._since = (0.0, 0.0)
        self._easy, self._patience = 0, EASY_WINDOWS

    def rehearse(self, pipeline: Pipeline) -> float:
        """Share of real time that a fresh pipeline takes, by running it over a moment of noise."""
        pipeline.warm_up()
        timing = pipeline.timing
        size = -(-timing.chunk_hops * timing.hop * timing.sample_rate // timing.model_rate)
        noise = 0.1 * np.random.default_rng(0).standard_normal((size, pipeline.channels))
        times: list[float] = []
        while len(times) * timing.chunk_hops < _REHEARSED and sum(times) < REHEARSAL_S:
            started = self.clock()
            pipeline.push(noise.astype(np.float32))
            times.append(self.clock() - started)
        return float(np.median(times)) * timing.sample_rate / size

    def foresee(self, share: float, console: Console) -> bool:
        """Take in what a rehearsal has shown; whether the cut is another now, and worth one more."""
        if share <= ROOM:
            if self.cut == Cut():
                self._late = None
            return False
        self._late = (share, True)
        return self._cut(console)

    def watch(self, seconds: float, busy_s: float, console: Console) -> None:
        """Look at what was processed so far, after every step, and judge it once in ``WINDOW_S``.

        Args:
            seconds: sound processed.
            busy_s: time that took.
            console: what is asked for.
        """
        span_s = seconds - self._since[0]
        if span_s < WINDOW_S:
            return
        share = (busy_s - self._since[1]) / span_s
        self.begin(seconds, busy_s)
        if share >= LATE:
            self._easy, self._late = 0, (share, False)
            self._cut(console)
        elif share < ROOM and self.cut == Cut():
            self._late = None
        elif self.cut.left_out:
            self._ease(share)

    def begin(self, seconds: float, busy_s: float) -> None:
        """A window begins here: what was before belongs to something else."""
        self._since = (seconds, busy_s)

    def said(self, console: Console, stems: int, reserve_ms: float) -> str:
        """What is to be known about it, in one line; empty where the machine keeps up."""
        late, cut = self._late, self.cut
        if late is None:
            return ""
        share, foreseen = late
        said = f"the machine is too slow for this: {100 * share:.0f} % of real time " + (
            f"in a short benchmark, {100 * ROOM:.0f} % would leave room" if foreseen else "just now"
        )
        if cut == Cut():
            return f"{said}; {self._advice(share, console, stems, reserve_ms)}"
        names = ", ".join(console.strips[index].text for index in cut.missing(console))
        done = [f"left out: {names}"] if names else []
        done += [f"{cut.chunk_hops} hops at a time, with more latency"] if cut.chunk_hops > 1 else []
        return "; ".join([said, *done])

    def _advice(self, share: float, console: Console, stems: int, reserve_ms: float) -> str:
        ways = [f"fewer strips than {len(console.used)}"] * (len(console.used) > 1)
        ways += ["no --stems"] * (stems > 0)
        ways += [f"--bundle {self._lighter}"] * (self._lighter is not None)
        ways += [f"--reserve-ms {2 * reserve_ms:g}"] * (share < 1)
        ways += ["--degrade"] * (not self._degrade)
        return "try " + " or ".join(ways or ["a faster machine"])

    def _cut(self, console: Console) -> bool:
        before = self.cut
        if self._degrade:
            self.cut = before.further(console)
        return self.cut != before

    def _ease(self, share: float) -> None:
        """After long enough with little load, take a strip back in; chunks stay, they would be heard."""
        self._easy = self._easy + 1 if share < EASY else 0
        if self._easy < self._patience:
            return
        self._easy, self._patience = 0, 2 * self._patience
        self.cut = replace(self.cut, left_out=self.cut.left_out - 1)
        if self.cut == Cut():
            self._late = None
