"""What goes in against what comes out, as two spectrograms that scroll."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from gui.protocol import BANDS, FLOOR_DB, RATE, band_of
from gui.pulse import Pulse
from gui.theme import Colours

SECONDS = 8
COLUMNS = SECONDS * RATE
SPARE = 3
"""Columns beyond the left edge, for the picture to glide over."""
QUIETEST_DB, LOUDEST_DB = -90.0, -12.0
"""What is black and what is brightest."""
TICKS_HZ = {100: "100", 500: "500", 2000: "2k", 8000: "8k"}
STILL_S = 0.5
"""Without a new column for so long, the picture stands."""


class Scroll:
    """One picture: columns come in on the right and glide to the left.

    The columns lie in a ring that is kept twice, so that the latest are always one slice of it.
    """

    def __init__(self, plot: pg.PlotItem, title: str) -> None:
        self.plot = plot
        self.count = 0
        self._width = COLUMNS + SPARE
        self._ring = np.zeros((BANDS, 2 * self._width), np.uint8)
        self._shown = 0.0
        self._new = False
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setLookupTable(pg.colormap.get("inferno").getLookupTable(nPts=256))
        self._image.setLevels((QUIETEST_DB - FLOOR_DB, LOUDEST_DB - FLOOR_DB))
        plot.addItem(self._image)
        plot.setLabel("left", title, units=None)
        plot.getAxis("left").setTicks([[(band_of(hertz), text) for hertz, text in TICKS_HZ.items()]])
        plot.getAxis("left").setWidth(58)
        plot.getAxis("bottom").setTicks(
            [[(COLUMNS - RATE * back, f"-{back} s" if back else "now") for back in range(0, SECONDS + 1, 2)]]
        )
        plot.setMouseEnabled(False, False)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setRange(xRange=(0, COLUMNS), yRange=(0, BANDS), padding=0, disableAutoRange=True)

    def hear(self, levels: bytes) -> None:
        """Take a column in."""
        place = self.count % self._width
        self._ring[:, place] = self._ring[:, place + self._width] = np.frombuffer(levels, np.uint8)
        self.count += 1
        self._new = True

    def glide(self, seconds: float) -> None:
        """Move on by a part of a column, never further than what has come in."""
        self._shown = min(max(self._shown + RATE * seconds, self.count - SPARE + 1), self.count)
        if self._new:
            start = self.count % self._width
            self._image.setImage(self._ring[:, start : start + self._width], autoLevels=False)
            self._new = False
        self._image.setPos(COLUMNS - self._width + self.count - self._shown, 0)


class Spectrogram(QWidget):
    """Input above, output below."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._view = pg.GraphicsLayoutWidget()
        self._view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view.viewport().setAttribute(
            Qt.WidgetAttribute.WA_OpaquePaintEvent
        )  # nothing behind it to paint
        self._view.setAccessibleName("Spectrogram, input above, output below")
        self._view.ci.layout.setSpacing(2)
        self._view.ci.layout.setContentsMargins(0, 4, 4, 0)
        self.scrolls = {
            side: Scroll(self._view.addPlot(row, 0), f"{title} (Hz)")
            for row, (side, title) in enumerate({"in": "in", "out": "out"}.items())
        }
        for row in range(2):
            self._view.ci.layout.setRowStretchFactor(row, 1)
            self._view.ci.layout.setRowPreferredHeight(row, 100)
        self.scrolls["in"].plot.getAxis("bottom").setStyle(showValues=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._view)
        self._since_s = STILL_S
        self._pulse = pulse
        pulse.add(self.move_on)

    def hear(self, side: str, levels: bytes) -> None:
        """Take a spectrum of "in" or "out" in."""
        self.scrolls[side].hear(levels)
        self._since_s = 0.0
        self._pulse.wake()

    def move_on(self, seconds: float) -> bool:
        """Glide; True while spectra come."""
        if self._since_s >= STILL_S:
            return False
        self._since_s += seconds
        for scroll in self.scrolls.values():
            scroll.glide(seconds)
        return True

    def paint(self, colours: Colours) -> None:
        """Take on a theme."""
        self._view.setBackground(colours.window)
        for scroll in self.scrolls.values():
            scroll.plot.getViewBox().setBackgroundColor(colours.well)
            for axis in ("left", "bottom"):
                scroll.plot.getAxis(axis).setPen(colours.border)
                scroll.plot.getAxis(axis).setTextPen(colours.faint)
