"""Addresses that are not rtsep's own: those that were learnt, and the one that is to be."""

from __future__ import annotations

from rtsep.control import Bind, SetParameter, Touch
from rtsep.errors import CommandError
from rtsep.osc.address import ROOT, words_of
from rtsep.osc.desk import Desk
from rtsep.osc.packet import Message


class Learnt:
    """Makes commands of messages at such addresses; owned by the server's thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._touch = desk, Touch()
        self.asked = 0
        """Commands to learn that are on their way to the desk."""

    def command(self, message: Message, now_s: float) -> Bind | SetParameter | None:
        """What a message means; None if it means nothing, or nothing now.

        Raises:
            CommandError: nothing is known of its address, or its parameter takes something else.
        """
        address, name = message.address, self._desk.learning
        wanted = bool(name or self.asked) and not address.startswith(f"{ROOT}/")
        if not message.arguments or not (wanted or self._desk.console.learnt.get(address)):
            raise CommandError(f"nothing is at {address[:200]}: see docs/osc.md")
        given = _given(message)
        if not wanted:
            return self._touch.command(address, given, self._desk.console, now_s)
        words = bool(name) and self._desk.console.parameter(name).kind is str
        if name and isinstance(given, str) != words:
            takes = "words" if words else "a number"
            raise CommandError(f"{address[:200]} was not learnt: {name} takes {takes}")
        return Bind(address)


def _given(message: Message) -> float | str:
    """A position, or words.

    Raises:
        CommandError: it is neither.
    """
    if len(message.arguments) == 1 and isinstance(message.arguments[0], bool | int | float):
        return float(message.arguments[0])
    return words_of(message.address, message.arguments)
