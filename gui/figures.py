"""What the engine says about itself: latency term by term, load, dropouts."""

from __future__ import annotations

from PyQt6.QtCore import QSize, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui.theme import LIGHT, Colours

SUMS = {"algorithmic", "engine", "total"}
"""Terms that are sums of others; see rtsep.latency."""
BUSY = 0.9
"""A load above this leaves no room for a bad moment."""


class Split(QWidget):
    """The latency as a bar, each term as wide as it is long."""

    def __init__(self) -> None:
        super().__init__()
        self._colours: Colours = LIGHT
        self.terms: dict[str, float] = {}
        self.setAccessibleName("Latency by term")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(260, 14)

    def show_terms(self, terms: dict[str, float]) -> None:
        """Show these terms, in ms."""
        self.terms = terms
        words = ", ".join(f"{name.replace('_', ' ')} {ms:.1f} ms" for name, ms in terms.items())
        self.setToolTip(words)
        self.setAccessibleDescription(words)
        self.update()

    def paint(self, colours: Colours) -> None:
        """Take on a theme."""
        self._colours = colours
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint one piece a term, in two shades by turns."""
        painter = QPainter(self)
        total = sum(self.terms.values())
        start = 0.0
        for index, ms in enumerate(self.terms.values()):
            width = self.width() * ms / total if total else 0.0
            colour = QColor(self._colours.focus)
            colour.setAlpha(230 if index % 2 else 120)
            painter.fillRect(round(start), 0, round(start + width) - round(start), self.height(), colour)
            start += width
        painter.end()


class Figures(QWidget):
    """Latency, load and dropouts, and the button that counts anew."""

    reset = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.latency, self.terms, self.split = QLabel("latency -"), QLabel(""), Split()
        self.load, self.dropouts, self.button = QLabel("load -"), QLabel("dropouts -"), QPushButton("Reset")
        self.terms.setProperty("weight", "faint")
        self.terms.setWordWrap(True)
        self.load.setToolTip("share of real time that the model takes")
        self.dropouts.setToolTip("blocks for which nothing was ready to play")
        self.button.setAccessibleName("Reset dropouts and clip counts")
        self.button.setToolTip("count dropouts and clipped samples from zero again (F7)")
        self.button.clicked.connect(self.reset)
        self._terms: dict[str, float] = {}
        row = QHBoxLayout()
        for widget in (self.latency, self.load, self.dropouts, self.button):
            row.addWidget(widget)
        row.insertStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.split)
        layout.addWidget(self.terms)

    def hear(self, name: str, number: float) -> None:
        """Show a figure; what stays as it was is not painted."""
        head, _, term = name.partition("/")
        if head == "load":
            self._write(self.load, f"load {number:.0%}", number > BUSY)
        elif head == "dropouts":
            self._write(self.dropouts, f"dropouts {number:.0f}", number > 0)
        elif term and self._terms.get(term) != number:
            self._terms[term] = number
            parts = {name: ms for name, ms in self._terms.items() if name not in SUMS}
            self.split.show_terms(parts)
            self.terms.setText(
                " + ".join(f"{name.replace('_', ' ')} {ms:.1f}" for name, ms in parts.items() if ms)
            )
        elif not term:
            self._write(self.latency, f"latency {number:.1f} ms")

    def rest(self) -> None:
        """The engine has gone: nothing is known."""
        for label, name in ((self.latency, "latency"), (self.load, "load"), (self.dropouts, "dropouts")):
            self._write(label, f"{name} -")
        self._terms.clear()
        self.split.show_terms({})
        self.terms.setText("")

    def _write(self, label: QLabel, text: str, alarm: bool = False) -> None:
        if label.text() != text:
            label.setText(text)
            lamp = "on" if alarm else ""
            if label.property("lamp") != lamp:
                label.setProperty("lamp", lamp)
                style = label.style()
                assert style is not None
                style.polish(label)
