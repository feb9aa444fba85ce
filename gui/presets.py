"""The preset bar: one name that can be typed, stepped through and saved."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget


class PresetBar(QWidget):
    """Load by picking or typing a name and pressing enter; save under the name that stands there."""

    load = pyqtSignal(str)
    save = pyqtSignal(str)
    step = pyqtSignal(int)
    """On (1) or back (-1)."""

    def __init__(self) -> None:
        super().__init__()
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.name.setMinimumWidth(190)
        self.name.setAccessibleName("Preset")
        self.name.setToolTip("enter loads the preset of this name")
        self._loaded = ""
        line = self.name.lineEdit()
        assert line is not None
        line.setAccessibleName("Preset name")
        line.setPlaceholderText("preset")
        line.returnPressed.connect(self._load_new)
        self.name.activated.connect(self._load)
        self.back = self._button("◀", "Previous preset")
        self.on = self._button("▶", "Next preset")
        self.keep = self._button("Save", "Save preset under this name")
        self.back.clicked.connect(lambda: self.step.emit(-1))
        self.on.clicked.connect(lambda: self.step.emit(1))
        self.keep.clicked.connect(self.save_now)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (QLabel("Preset"), self.name, self.back, self.on, self.keep):
            layout.addWidget(widget)

    def offer(self, names: Iterable[str]) -> None:
        """Offer these presets; what stands on the line stays."""
        wanted = list(names)
        if wanted == [self.name.itemText(index) for index in range(self.name.count())]:
            return
        text = self.name.currentText()
        self.name.clear()
        self.name.addItems(wanted)
        self.name.setEditText(text)

    def show_loaded(self, name: str) -> None:
        """Show what the engine has loaded, unless a name is being typed."""
        self._loaded = name
        if name and self.name.findText(name) < 0:
            self.name.addItem(name)
        line = self.name.lineEdit()
        assert line is not None
        if not (line.hasFocus() and line.isModified()):
            self.name.setEditText(name)

    def save_now(self) -> None:
        """Ask for the console to be saved; without a name, go and have one typed."""
        name = self.name.currentText().strip()
        if name:
            self._settle()
            self.save.emit(name)
        else:
            self.name.setFocus(Qt.FocusReason.OtherFocusReason)

    def _load(self) -> None:
        name = self.name.currentText().strip()
        if name:
            self._settle()
            self.load.emit(name)

    def _load_new(self) -> None:
        if self.name.findText(self.name.currentText(), Qt.MatchFlag.MatchFixedString) < 0:
            self._load()  # names that are on offer come as activated

    def _settle(self) -> None:
        line = self.name.lineEdit()
        assert line is not None
        line.setModified(False)

    def _button(self, text: str, name: str) -> QPushButton:
        button = QPushButton(text)
        button.setAccessibleName(name)
        button.setToolTip(name.lower())
        return button
