"""What an engine says of itself: a frozen status, swapped by reference."""

from __future__ import annotations

from dataclasses import dataclass, field

from rtsep.control.console import Console


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
    latency_ms: float = 0.0
    latency_terms_ms: tuple[tuple[str, float], ...] = ()
    """The latency budget, term by term."""
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

    @property
    def prompt(self) -> str:
        """The prompts in use, as a person would write them."""
        return str(self.console)
