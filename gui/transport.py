"""What a performer reaches for first: bypass, presets, record; and the theme beside them."""

from __future__ import annotations

import time

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from gui.fields import Switch
from gui.picker import Picker
from gui.presets import PresetBar
from gui.theme import CHOICES
from rtsep.control import PARAMETERS


class RecordButton(QPushButton):
    """Asks for recording; what it shows is what the engine says."""

    wanted = pyqtSignal(bool)

    def __init__(self) -> None:
        super().__init__("Record")
        self.setCheckable(True)
        self.setProperty("part", "record")
        self.setAccessibleName("Record")
        self.setToolTip("record input and output to files (F12)")
        self._since = 0.0
        self._second = QTimer(self)
        self._second.setInterval(1000)
        self._second.timeout.connect(self._count)
        self.clicked.connect(self._ask)

    def show_state(self, on: bool) -> None:
        """Show whether the engine records."""
        if on != self._second.isActive():
            self._since = time.monotonic()
            (self._second.start if on else self._second.stop)()
        self.setChecked(on)
        self._count()

    def _ask(self) -> None:
        on = self.isChecked()
        self.setChecked(self._second.isActive())  # until the engine has confirmed it
        self.wanted.emit(on)

    def _count(self) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._since), 60)
        self.setText(f"Recording {minutes}:{seconds:02}" if self._second.isActive() else "Record")


class Transport(QWidget):
    """Big bypass, preset bar, record button, theme."""

    def __init__(self) -> None:
        super().__init__()
        self.bypass = Switch(PARAMETERS["bypass"])
        self.bypass.button.setToolTip(f"{PARAMETERS['bypass'].help} (F8)")
        self.presets, self.record = PresetBar(), RecordButton()
        self.theme = Picker("Theme", "light or dark, or as the desktop has it")
        self.theme.addItems(list(CHOICES))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        for widget in (self.bypass, self.presets, self.record):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(QLabel("Theme"))
        layout.addWidget(self.theme)
