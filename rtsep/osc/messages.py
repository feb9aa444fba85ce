"""What the process of the OSC server and the one that has started it say first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rtsep.control import Status
from rtsep.osc.subscribers import Sender
from rtsep.remote.messages import Facts


@dataclass(frozen=True)
class Beginning:
    """First to the server: what to be."""

    host: str
    ports: range
    """The first that is free is taken."""
    allow: tuple[str, ...]
    name: str | None
    """Under which programs find it, by OSCQuery; None: they do not."""
    presets: Path
    """The user's folder."""
    facts: Facts
    status: Status


@dataclass(frozen=True)
class Listening:
    """First from the server, where it is not the ``RtsepError`` that keeps it from listening."""

    address: Sender
