"""From what a MIDI controller sends to commands: learnt controls, and the one that is to be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from rtsep.control import Bind, Command, Console, SetParameter, Touch
from rtsep.errors import RtsepError

LOWEST_BEND, HIGHEST_BEND = -8192, 8191


class Desk(Protocol):
    """What commands are submitted to; ``rtsep.desk.Desk``."""

    @property
    def console(self) -> Console:
        """The settings as they stand, and what is bound."""

    @property
    def learning(self) -> str:
        """The parameter that waits for a control to be bound to it."""

    def submit(self, command: Command) -> Future[None]:
        """Have a command obeyed, after those before it. RuntimeError: it is closed."""


def position_of(message: Any) -> tuple[str, float] | None:
    """Which control moved, as ``Bindings`` call it, and to where, from 0 to 1; None for other messages.

    Args:
        message: a ``mido.Message``.
    """
    match message.type:
        case "control_change":
            return f"midi/{message.channel + 1}/cc/{message.control}", message.value / 127
        case "note_on":
            return f"midi/{message.channel + 1}/note/{message.note}", message.velocity / 127
        case "note_off":  # its velocity says how fast the key was let go
            return f"midi/{message.channel + 1}/note/{message.note}", 0.0
        case "pitchwheel":
            position = (message.pitch - LOWEST_BEND) / (HIGHEST_BEND - LOWEST_BEND)
            return f"midi/{message.channel + 1}/pitchbend", position
    return None


class MidiSurface:
    """Turns knobs as a controller says. ``hear`` is the port's thread's, and returns at once.

    A wheel sends hundreds of positions a second: while one for a parameter is being obeyed, of those that
    come only the newest waits.

    Args:
        desk: what is commanded.
        failed: told in words of what could not be obeyed, in any thread.
    """

    def __init__(self, desk: Desk, failed: Callable[[str], None]) -> None:
        self._desk, self._failed, self._touch = desk, failed, Touch()
        self._lock = threading.Lock()
        self._waiting: dict[str, SetParameter | None] = {}
        """By parameter that is being turned, what comes next; the lock's."""

    def hear(self, message: Any) -> None:
        """Do what a ``mido.Message`` asks for."""
        if (found := position_of(message)) is None:
            return
        source, position = found
        if message.type == "pitchwheel" and self._flips(source):
            position = max(0.0, 2 * position - 1)  # its middle is where it rests, and would be pressed
        if self._desk.learning:
            if position:  # a button let go, or a key, would be the one pressed before
                self._submit(Bind(source))
            return
        try:
            command = self._touch.command(source, position, self._desk.console, time.monotonic())
        except RtsepError as error:
            self._failed(str(error))
            return
        if command is not None and self._is_next(command):
            self._submit(command)

    def _flips(self, source: str) -> bool:
        """Whether a control turns a switch."""
        console = self._desk.console
        turned = console.parameters.get(console.learnt.get(source) or "")
        return turned is not None and turned.kind is bool

    def _is_next(self, command: SetParameter) -> bool:
        """Whether nothing for its parameter is under way; otherwise it waits."""
        with self._lock:
            under_way = command.name in self._waiting
            self._waiting[command.name] = command if under_way else None
        return not under_way

    def _submit(self, command: Bind | SetParameter) -> None:
        try:
            future = self._desk.submit(command)
        except RuntimeError:  # the desk is closed
            return
        future.add_done_callback(partial(self._landed, command))

    def _landed(self, command: Bind | SetParameter, future: Future[None]) -> None:
        """In the desk's thread: go on with what has come meanwhile."""
        if (error := future.exception()) is not None:
            self._failed(str(error))
        if isinstance(command, Bind):
            return
        with self._lock:
            following = self._waiting.pop(command.name)
            if following is not None:
                self._waiting[command.name] = None
        if following is not None:
            self._submit(following)
