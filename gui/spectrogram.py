"""What goes in against what comes out, as two spectrograms that scroll."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QImage, QPainter, qRgb
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


class Picture(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """A view of a ring of columns, each value a colour, as wide as half of the ring.

    The ring is the image: nothing is made for a frame. ``pyqtgraph.ImageItem`` makes a QImage of every new
    column, and each of those leaves 113 bytes behind (PyQt 6.9 to 6.11): 24 MB an hour.
    """

    def __init__(self, ring: NDArray[np.uint8]) -> None:
        super().__init__()
        self._ring = ring  # whose memory the image shows
        bands, twice = ring.shape
        shape = twice, bands, twice, QImage.Format.Format_Indexed8
        # Bytes would be copied by setColorTable; the stubs do not know of addresses, which are not.
        self._image: QImage = QImage(ring.ctypes.data, *shape)  # type: ignore[call-overload]
        self._image.setColorTable(palette())
        self._place = QRectF(0, 0, twice // 2, bands)
        self._start = 0

    def show_from(self, start: int) -> None:
        """Show the columns from this one on, as they are now."""
        self._start = start
        self.update()

    def boundingRect(self) -> QRectF:
        """One unit a column and a band."""
        return self._place

    def paint(self, painter: QPainter | None, *_: Any) -> None:
        """Paint them."""
        if painter is not None:
            painter.drawImage(self._place, self._image, self._place.translated(self._start, 0))


def palette() -> list[int]:
    """The colour of each value, black to ``QUIETEST_DB`` and brightest from ``LOUDEST_DB`` on."""
    levels_db = FLOOR_DB + np.arange(256)
    place = (levels_db - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)
    shades = pg.colormap.get("inferno").map(place.clip(0, 1), mode="byte")
    return [qRgb(int(red), int(green), int(blue)) for red, green, blue, _ in shades]


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
        self.picture = Picture(self._ring)
        plot.addItem(self.picture)
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
            self.picture.show_from(self.count % self._width)
            self._new = False
        self.picture.setPos(COLUMNS - self._width + self.count - self._shown, 0)


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

    def sizeHint(self) -> QSize:
        """Content with little: what there is more goes to it."""
        return self.minimumSizeHint()

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
