"""What is too large for the window can be rolled into view."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QLayout, QScrollArea, QWidget


class Roll(QScrollArea):
    """Shows a layout whole where there is room, and otherwise what has the keyboard.

    Args:
        layout: of what is shown.
    """

    def __init__(self, layout: QLayout) -> None:
        super().__init__()
        sheet = QWidget()
        sheet.setLayout(layout)
        self.setWidget(sheet)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it follows the keyboard

    def follow(self, _: QWidget | None, now: QWidget | None) -> None:
        """Bring what has the keyboard now into view, if it is in here."""
        if now is not None and self.isAncestorOf(now):
            self.ensureWidgetVisible(now)
