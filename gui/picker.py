"""A list to pick from."""

from __future__ import annotations

from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QComboBox


class Picker(QComboBox):
    """Picks by click or key, never by wheel: a stray one would load presets, or start the engine anew.

    Args:
        name: what a screen reader calls it.
        help: its tool tip.
    """

    def __init__(self, name: str, help: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._help = help
        self.setToolTip(help)
        self.currentTextChanged.connect(self._tell)

    def showPopup(self) -> None:
        """Open the list, as wide as its longest name."""
        view = self.view()
        assert view is not None
        view.setMinimumWidth(view.sizeHintForColumn(0))
        super().showPopup()

    def _tell(self, text: str) -> None:
        """A long name has little room."""
        self.setToolTip(f"{text}\n{self._help}" if text else self._help)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave it to what lies behind."""
        if event is not None:
            event.ignore()
