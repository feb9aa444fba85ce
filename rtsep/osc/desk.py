"""What the server stands in front of, as far as it knows it; ``rtsep.desk.Desk`` is one."""

from __future__ import annotations

from typing import Protocol

from rtsep.remote import served


class PresetNames(Protocol):
    """Where presets are kept."""

    def names(self) -> list[str]:
        """Those there are."""


class Desk(served.Desk, Protocol):
    """What commands are submitted to."""

    @property
    def presets(self) -> PresetNames:
        """Where presets are kept."""
