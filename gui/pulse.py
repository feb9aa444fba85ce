"""The beat of everything that moves: sixty a second while something does, and none while all is still."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal

BEAT_MS = 16
"""62.5 frames a second: a timer has whole milliseconds, and 17 would be too slow."""
LONGEST_S = 0.1
"""After a stall things go on from where they were instead of leaping."""

Mover = Callable[[float], bool]
"""Moves on by so many seconds; says whether there is more to come."""


class Pulse(QObject):
    """Beats while any mover has more to come."""

    beat = pyqtSignal()
    """All have moved."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._movers: list[Mover] = []
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._move)

    @property
    def beating(self) -> bool:
        """Whether anything moves."""
        return self._timer.isActive()

    def add(self, mover: Mover) -> None:
        """Have something moved at every beat."""
        self._movers.append(mover)

    def wake(self) -> None:
        """Something is to move again."""
        if not self._timer.isActive():
            self._last = time.monotonic()
            self._timer.start()

    def _move(self) -> None:
        now = time.monotonic()
        seconds, self._last = min(now - self._last, LONGEST_S), now
        moving = [mover(seconds) for mover in self._movers]
        if not any(moving):
            self._timer.stop()
        self.beat.emit()
