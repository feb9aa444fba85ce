"""What an engine says of itself: a frozen status, swapped by reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rtsep.control.console import Console
from rtsep.latency import LatencyBudget


@dataclass(frozen=True)
class Level:
    """How loud one channel was over the last moment, dBFS, and whether it reached full scale."""

    peak_db: float = -120.0
    rms_db: float = -120.0
    clipped: int = 0
    """Samples at full scale or above, counted since the last ``ResetCounts``."""


@dataclass(frozen=True)
class Status:
    """What the engine is doing, at one moment."""

    console: Console = field(default_factory=Console)
    preset: str = ""
    """The preset loaded last."""
    seconds: float = 0.0
    """Sound processed so far."""
    hops: int = 0
    dropouts: int = 0
    """Callbacks that found nothing to play."""
    load: float = 0.0
    """Share of real time that the model takes, over the last second or so."""
    level_in: Level = Level()
    level_out: Level = Level()
    latency: LatencyBudget | None = None
    """The promise, term by term; None before there is one."""
    bad_samples: int = 0
    """Input samples that were NaN or infinite and were taken as zero."""
    recording: str = ""
    """Folder being recorded to."""
    fault: str = ""
    """What has gone wrong by itself and goes on not working, such as a recording on a full disk."""
    overload: str = ""
    """That the machine is too slow for what is asked, and what is done without or might help."""
    insert_faults: tuple[str, ...] = ()
    """Of each insert, why it is bypassed; empty words for one that works."""
    sample_rate: int = 0
    """Of the device."""
    separator: str = ""
    """The name of the one that runs."""
    running: bool = False
    """Whether sound is being processed, or a device that has gone is waited for."""

    @property
    def latency_ms(self) -> float:
        """From microphone to loudspeaker; 0 before it is known."""
        return self.latency.ms(self.latency.total) if self.latency else 0.0

    @property
    def latency_terms_ms(self) -> Mapping[str, float]:
        """Its terms, then its sums but the last; empty before it is known."""
        terms = self.latency.terms_ms() if self.latency else {}
        return {name: ms for name, ms in terms.items() if name != "total"}

    @property
    def prompt(self) -> str:
        """The prompts in use, as a person would write them."""
        return str(self.console)
