"""Level meters: peak, RMS and held peak as a bar, and a lamp that stays lit once something clipped."""

from __future__ import annotations

from PyQt6.QtCore import QRect, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from gui.pulse import Pulse
from gui.theme import LIGHT, Colours
from rtsep.control import Level

LOWEST_DB, LOUD_DB, HOT_DB = -60.0, -18.0, -6.0
"""Where the bar begins, and where it turns yellow and red."""
FALL_DB_S = 20.0
"""How fast a bar falls."""
HOLD_S = 1.5
"""How long the highest peak stays."""


class Bar(QWidget):
    """The moving part. Only the pixels that change are painted."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._colours: Colours = LIGHT
        self.peak_db = self.rms_db = self.held_db = LOWEST_DB
        self._goal = Level()
        self._held_s = 0.0
        self._pulse = pulse
        self._drawn = (0, 0, 0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(60)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        pulse.add(self.move_on)

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(220, 16)

    def hear(self, level: Level) -> None:
        """Rise to a level at once, or begin to fall to it."""
        self._goal = level
        self._pulse.wake()

    def move_on(self, seconds: float) -> bool:
        """Rise or fall; True while anything still moves."""
        fall = FALL_DB_S * seconds
        self.peak_db = max(self._goal.peak_db, self.peak_db - fall, LOWEST_DB)
        self.rms_db = max(self._goal.rms_db, self.rms_db - fall, LOWEST_DB)
        self._held_s += seconds
        if self.peak_db >= self.held_db:
            self.held_db, self._held_s = self.peak_db, 0.0
        elif self._held_s > HOLD_S:
            self.held_db = max(self.held_db - fall, self.peak_db)
        pixels = self._pixels()
        if pixels != self._drawn:
            changed = [
                edge for pair in zip(pixels, self._drawn, strict=True) if pair[0] != pair[1] for edge in pair
            ]
            self._drawn = pixels
            self.update(QRect(min(changed) - 3, 0, max(changed) - min(changed) + 6, self.height()))
        resting = max(self._goal.peak_db, LOWEST_DB)
        return not self.peak_db == self.held_db == resting or self.rms_db > max(self._goal.rms_db, LOWEST_DB)

    def paint(self, colours: Colours) -> None:
        """Take on a theme."""
        self._colours = colours
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint what has changed."""
        if event is None:
            return
        painter = QPainter(self)
        colours, height = self._colours, self.height()
        rms, peak, held = self._drawn
        painter.setClipRect(event.rect())
        painter.fillRect(event.rect(), QColor(colours.well))
        start = 0
        for until, colour in ((LOUD_DB, colours.good), (HOT_DB, colours.loud), (0.0, colours.hot)):
            end = self._place(until)
            shade = QColor(colour)
            painter.fillRect(_between(start, min(end, rms), height), shade)
            shade.setAlpha(110)
            painter.fillRect(_between(max(start, rms), min(end, peak), height), shade)
            start = end
        if held > 0:
            painter.fillRect(QRect(held - 2, 0, 2, height), QColor(colours.text))
        painter.end()

    def _pixels(self) -> tuple[int, int, int]:
        return self._place(self.rms_db), self._place(self.peak_db), self._place(self.held_db)

    def _place(self, level_db: float) -> int:
        share = (min(level_db, 0.0) - LOWEST_DB) / -LOWEST_DB
        return round(self.width() * share)


def _between(start: int, end: int, height: int) -> QRect:
    return QRect(start, 0, max(0, end - start), height)  # a negative width would be painted backwards


class Meter(QWidget):
    """A bar with its name, its peak in figures, and how many samples clipped."""

    def __init__(self, title: str, pulse: Pulse) -> None:
        super().__init__()
        self.bar, self.figure, self.clip = Bar(pulse), QLabel("-"), QLabel("clip")
        self.clipped = 0
        name, self._title = QLabel(title), title
        name.setMinimumWidth(52)
        self.figure.setMinimumWidth(52)
        self.figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.clip.setProperty("lamp", "off")
        self.clip.setToolTip("samples at full scale since the last reset")
        self.bar.setAccessibleName(f"{title} level")
        self.clip.setAccessibleName(f"{title} clipped samples")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (name, self.bar, self.figure, self.clip):
            layout.addWidget(widget)

    def hear(self, level: Level) -> None:
        """Show a level."""
        self.bar.hear(level)
        text = f"{level.peak_db:.0f} dB" if level.peak_db > -119 else "silent"
        if text != self.figure.text():
            self.figure.setText(text)
            self.bar.setAccessibleDescription(f"{self._title} peak {text}")
        if level.clipped != self.clipped:
            self.clipped = level.clipped
            self.clip.setText(f"clip {self.clipped}" if self.clipped else "clip")
            self.clip.setProperty("lamp", "on" if self.clipped else "off")
            style = self.clip.style()
            assert style is not None
            style.polish(self.clip)

    def rest(self) -> None:
        """The engine has gone: fall to nothing."""
        self.bar.hear(Level())
        self.figure.setText("-")
