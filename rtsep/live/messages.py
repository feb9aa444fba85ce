"""What ``rtsep.Engine`` and the process that it has started say to each other, beside a desk's messages."""

from __future__ import annotations

from dataclasses import dataclass

from rtsep.config import RunSettings
from rtsep.control import Console, Status
from rtsep.errors import RtsepError
from rtsep.remote.messages import Facts


@dataclass(frozen=True)
class Open:
    """First to the process: what to be."""

    settings: RunSettings
    console: Console
    separator: str
    """A name, or a bundle's folder."""


@dataclass(frozen=True)
class Opened:
    """First from it: everything is loaded, and the sound card open."""

    facts: Facts
    status: Status


@dataclass(frozen=True)
class Start:
    """Begin to process."""


@dataclass(frozen=True)
class Close:
    """Stop, let go of the sound card, and end."""


@dataclass(frozen=True)
class Done:
    """It has been started, or closed."""


Reply = Opened | Done | RtsepError
"""To everything but a desk's request; an error is why it could not be done."""
