"""What a served desk and its remote one say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from rtsep.control import Command, Console, Status


class Facts(NamedTuple):
    """A desk as it stands."""

    console: Console
    preset: str
    learning: str


@dataclass(frozen=True)
class Update:
    """To the remote desk: what is new."""

    facts: Facts | None
    """None if they are as before."""
    changed: tuple[str, ...]
    """Parameters that have been set."""
    answers: tuple[tuple[int, BaseException | None], ...]
    """The number of each command that is done, and why it could not be obeyed."""
    errors: tuple[str, ...]
    """What has gone wrong elsewhere."""
    status: Status
    """Without its console, which the facts have."""
    spectra: Mapping[str, bytes] | None
    """None where nobody has asked lately."""


@dataclass
class Counts:
    """What came in over OSC, since the start; of a remote desk that others use, nothing."""

    received: int = 0
    malformed: int = 0
    refused: int = 0
    """Datagrams of senders that may not speak."""
    unsent: int = 0
    """Datagrams that the system did not take."""
    faults: int = 0
    """Turns that ended in an exception: bugs."""


@dataclass(frozen=True)
class Request:
    """From the remote desk: what is wanted."""

    commands: tuple[tuple[int, Command], ...]
    spectra: bool
    """Whether they have been looked at since the last request."""
    counts: Counts
    said: tuple[str, ...]
    """What whoever runs the engine should read."""
