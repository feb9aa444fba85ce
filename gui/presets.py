"""The preset bar: one name that can be typed, stepped through and saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from gui.picker import Picker
from gui.values import same
from rtsep.control import Value

CHANGED = "changed since it was loaded or saved"


class _Line(QLineEdit):
    """A picker would take the enter key for some of the names on offer, and not for others."""

    entered = pyqtSignal()
    dropped = pyqtSignal()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        match event.key() if event is not None else None:
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.entered.emit()
            case Qt.Key.Key_Escape:
                self.dropped.emit()
            case _:
                super().keyPressEvent(event)


class PresetBar(QWidget):
    """Load by picking or typing a name and pressing enter; save under the name that stands there."""

    load = pyqtSignal(str)
    save = pyqtSignal(str)
    step = pyqtSignal(int)
    """On (1) or back (-1)."""

    def __init__(self) -> None:
        super().__init__()
        self.name = Picker("Preset", "enter loads the preset of this name")
        self.name.setEditable(True)
        self.name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.name.setMinimumWidth(150)
        self._loaded: str | None = None
        self._saving = ""
        self.line = _Line()
        self.name.setLineEdit(self.line)
        self.line.editingFinished.disconnect()  # by which leaving it would load what was typed or loaded
        self.name.setCompleter(None)  # which would save the beginning of a name over the preset of that name
        self.line.setAccessibleName("Preset name")
        self.line.setPlaceholderText("preset")
        self.line.entered.connect(self._load)
        self.line.dropped.connect(lambda: self._write(self._loaded or ""))
        self.name.activated.connect(self._load)
        self.back = self._button("◀", "Previous preset", "F9")
        self.on = self._button("▶", "Next preset", "F10")
        self.keep = self._button("Save", "Save preset under this name", "Ctrl+S")
        self.mark = QLabel("changed")
        self.mark.setProperty("weight", "faint")
        self.mark.setToolTip(CHANGED)
        policy = self.mark.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.mark.setSizePolicy(policy)
        self.mark.hide()
        self._values: dict[str, Value] = {}
        self._differing: set[str] = set()
        self.back.clicked.connect(lambda: self.step.emit(-1))
        self.on.clicked.connect(lambda: self.step.emit(1))
        self.keep.clicked.connect(self.save_now)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (QLabel("Preset"), self.name, self.mark, self.back, self.on, self.keep):
            layout.addWidget(widget)

    @property
    def changed(self) -> bool:
        """Whether what is set is no longer what the preset sets."""
        return bool(self._differing)

    def hold(self, values: Mapping[str, Value]) -> None:
        """Take these for what the preset sets; none where no preset is known."""
        self._values = dict(values)
        self._differing.clear()
        self._show_mark()

    def note(self, name: str, value: Value) -> None:
        """Take note of what a parameter is set to."""
        alike = name not in self._values or same(self._values[name], value)
        if alike == (name in self._differing):
            (self._differing.discard if alike else self._differing.add)(name)
            self._show_mark()

    def offer(self, names: Iterable[str]) -> None:
        """Offer these presets; what stands on the line stays."""
        wanted = list(names)
        if wanted == [self.name.itemText(index) for index in range(self.name.count())]:
            return
        text, typed = self.name.currentText(), self.line.isModified()
        self.name.clear()
        self.name.addItems(wanted)
        self._write(text, typed=typed)

    def show_loaded(self, name: str) -> bool:
        """Show what the engine has loaded, unless a name is being typed, or was and nothing else is loaded.

        Returns:
            Whether that is the answer to what was to be saved.
        """
        saved, other = bool(name) and name == self._saving, self._loaded not in (None, name)
        self._loaded = name
        if name and self.name.findText(name) < 0:
            self.name.addItem(name)
        typing = self.line.isModified() and self.line.text() != name
        if not typing or (other and not self.line.hasFocus()):
            self._write(name)
        if saved:
            self._saving = ""
        return saved

    def saving(self, name: str) -> None:
        """Take note that the engine was asked to save under this name."""
        self._saving = name

    def rest(self) -> str:
        """The engine has gone: nothing is known. Returns the name that it may not have saved."""
        self.hold({})
        unsaved, self._saving, self._loaded = self._saving, "", None
        return unsaved

    def save_now(self) -> None:
        """Ask for the console to be saved; without a name, go and have one typed."""
        name = self.name.currentText().strip()
        if name:
            self.save.emit(name)
        else:
            self.name.setFocus(Qt.FocusReason.OtherFocusReason)

    def _load(self) -> None:
        name = self.name.currentText().strip()
        if name:
            self.load.emit(name)

    def _show_mark(self) -> None:
        self.mark.setVisible(self.changed)
        self.name.setAccessibleDescription(CHANGED if self.changed else "")

    def _write(self, text: str, *, typed: bool = False) -> None:
        self.name.setEditText(text)
        self.line.setModified(typed)

    def _button(self, text: str, name: str, key: str) -> QPushButton:
        button = QPushButton(text)
        button.setAccessibleName(name)
        button.setToolTip(f"{name.lower()} ({key})")
        return button
