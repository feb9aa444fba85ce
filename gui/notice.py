"""What is wrong, in words: one line that is quiet while all is well."""

from __future__ import annotations

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QLabel

SHOWN_MS = 8000
"""How long a refusal is shown; what lasts is shown while it lasts."""


class Notice(QLabel):
    """A state that lasts ("the engine does not answer") and, over it for a while, what was refused."""

    def __init__(self) -> None:
        super().__init__()
        self._state, self._fine = "", True
        self._shown: tuple[str, bool] | None = None
        self.setWordWrap(True)
        self.setAccessibleName("Notice")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SHOWN_MS)
        # A method, no lambda: in a cycle with the label, one was called while the label was taken apart.
        self._timer.timeout.connect(self._show_state)

    def hold(self, text: str, *, fine: bool = False) -> None:
        """Say how things stand, until told otherwise."""
        self._state, self._fine = text, fine
        if fine or not self._timer.isActive():
            self._timer.stop()
            self._write(text, fine)

    def flash(self, text: str, *, fine: bool = False) -> None:
        """Say what has just gone wrong, or what to do next."""
        self._write(text, fine)
        self._timer.start()

    def _show_state(self) -> None:
        self._write(self._state, self._fine)

    def _write(self, text: str, fine: bool) -> None:
        if self._shown == (text, fine):
            return
        self._shown = (text, fine)
        self.setText(text)
        self.setAccessibleDescription(text)
        self.setProperty("notice", "fine" if fine else "wrong")
        style = self.style()
        assert style is not None
        style.polish(self)
