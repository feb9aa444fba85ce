"""The spectrograms: the newest on the right, as bright as it is loud, and nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyqtgraph as pg
import pytest
from PyQt6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from gui.protocol import BANDS, FLOOR_DB, RATE
from gui.spectrogram import COLUMNS, LOUDEST_DB, QUIETEST_DB, SPARE, Scroll, palette


@pytest.fixture
def scroll(qtbot: QtBot) -> Iterator[Scroll]:
    window = pg.GraphicsLayoutWidget()
    qtbot.addWidget(window)
    yield Scroll(window.addPlot(0, 0), "in")


def painted(scroll: Scroll) -> np.ndarray:
    """The picture, a pixel a column and a band, as colours (bands, columns)."""
    image = QImage(COLUMNS + SPARE, BANDS, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    scroll.picture.paint(painter)
    painter.end()
    bits = image.constBits()
    assert bits is not None
    return np.frombuffer(bits.asarray(image.sizeInBytes()), np.uint32).reshape(BANDS, -1).copy()


def test_the_newest_column_is_on_the_right_in_the_colours_of_its_levels(scroll: Scroll) -> None:
    shades, width = np.array(palette(), np.uint32), COLUMNS + SPARE
    said = [np.arange(BANDS, dtype=np.uint8) + number % 90 for number in range(width + 40)]
    for levels in said:
        scroll.hear(levels.tobytes())
        scroll.glide(1 / RATE)
    assert np.array_equal(painted(scroll), shades[np.stack(said[-width:], axis=1)])
    scroll.hear(bytes(BANDS))
    scroll.glide(1 / RATE)
    assert (painted(scroll)[:, -1] == shades[0]).all()


def test_colours_go_from_black_at_the_quietest_to_the_brightest_at_the_loudest() -> None:
    shades = [QColor(shade) for shade in palette()]
    quiet, loud = (round(level - FLOOR_DB) for level in (QUIETEST_DB, LOUDEST_DB))
    assert shades[0] == shades[quiet] != shades[quiet + 5]
    assert shades[255] == shades[loud] != shades[loud - 5]
    bright = [0.21 * each.red() + 0.72 * each.green() + 0.07 * each.blue() for each in shades]
    assert bright[0] < 5 and bright[-1] > 230
    assert all(later >= early for early, later in pairwise(bright))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")
def test_an_hour_of_columns_leaves_nothing_behind(scroll: Scroll) -> None:
    canvas = QImage(COLUMNS + SPARE, BANDS, QImage.Format.Format_RGB32)

    def pass_(minutes: int) -> None:
        for number in range(60 * RATE * minutes):
            scroll.hear(bytes([number % 90]) * BANDS)
            scroll.glide(1 / RATE)
            painter = QPainter(canvas)
            scroll.picture.paint(painter)
            painter.end()

    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    pass_(5)
    before = resident()
    pass_(60)
    assert resident() - before < 3e6  # a QImage a column left 12 MB
