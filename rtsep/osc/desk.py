"""What the server stands in front of, as far as it knows it; ``rtsep.desk.Desk`` is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Protocol

from rtsep.control import Command, Console, Value


class PresetNames(Protocol):
    """Where presets are kept."""

    def names(self) -> list[str]:
        """Those there are."""


class Desk(Protocol):
    """What commands are submitted to."""

    @property
    def console(self) -> Console:
        """The settings as they stand."""

    @property
    def preset(self) -> str:
        """The preset loaded last."""

    @property
    def learning(self) -> str:
        """The parameter that waits for a control to be bound to it."""

    @property
    def presets(self) -> PresetNames:
        """Where presets are kept."""

    def submit(self, command: Command) -> Future[None]:
        """Have a command obeyed, after those before it."""

    def listen(self, listener: Callable[[Mapping[str, Value]], None]) -> Callable[[], None]:
        """Have a listener told of every accepted command; returns what ends that."""
