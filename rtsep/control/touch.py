"""From the position of a control that was learnt to the command that it means."""

from __future__ import annotations

from dataclasses import dataclass, field

from rtsep.control.commands import SetParameter
from rtsep.control.console import Console
from rtsep.errors import CommandError

TAP_S = 0.4
"""A button that is let go sooner has been tapped."""

PRESSED = 0.5
"""From this position on a control counts as pressed."""


@dataclass
class Touch:
    """What the controls of one surface mean; owned by the surface's thread.

    A number follows the control over its whole range. A switch is flipped by a press: a tap leaves it so,
    letting go after ``TAP_S`` flips it back. So it serves buttons that stay down, buttons that do not, and
    a knob that is turned past its middle.
    """

    _down: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """When a source was pressed, and what its switch was before."""

    def command(self, source: str, given: float | str, console: Console, now_s: float) -> SetParameter | None:
        """The command, or None where the source turns nothing, or nothing now.

        Args:
            source: as in ``Bindings``.
            given: a position from 0 to 1, or words.
            console: the settings, and what is bound.
            now_s: of a clock that never jumps.

        Raises:
            CommandError: its parameter does not take that.
        """
        name = console.learnt.get(source)
        if name is None:
            self._down.pop(source, None)
            return None
        parameter = console.parameter(name)
        if isinstance(given, str) or parameter.kind is str:
            return SetParameter(name, parameter.check(given))
        if parameter.kind is bool:
            return self._press(source, name, bool(console[name]), given, now_s)
        if "/note/" in source and source.startswith("midi/") and not given:
            return None  # a key let go is no position
        return SetParameter(name, parameter.at(given))

    def _press(self, source: str, name: str, now: bool, given: float, now_s: float) -> SetParameter | None:
        if not 0 <= given <= 1:
            raise CommandError(f"{source} is {given:g}, but must be from 0 to 1")
        if given >= PRESSED:
            if source in self._down:
                return None
            self._down[source] = now_s, now
            return SetParameter(name, not now)
        pressed_s, before = self._down.pop(source, (now_s, now))
        return SetParameter(name, before) if now_s - pressed_s >= TAP_S else None
