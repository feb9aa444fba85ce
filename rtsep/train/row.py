"""One clip of a data set: where it lies, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One clip, where it lies and what it is."""

    path: Path
    label: str
    category: str = "event"
    caption: str = ""
    group: str = ""
    """Clips of one recording have one; empty for a recording of its own."""
    start_s: float = 0.0
    """Where in the file it begins."""
    stop_s: float | None = None
    """Where it ends; None for the file's end."""
