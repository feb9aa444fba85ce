"""Controls from elsewhere, MIDI or OSC: which of them turn what, and the parameter that waits for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QApplication, QLineEdit, QWidget

from gui.fields import Field, spoken


class Learning(QObject):
    """Gives every field a menu to bind a control to it, and shows what the engine says is bound."""

    learn = pyqtSignal(str)
    """The next control is to be bound to this parameter; to none any more if empty."""
    unlearn = pyqtSignal(str)
    """The controls of this parameter are to be forgotten."""
    said = pyqtSignal(str)
    """What to do now, in words."""

    def __init__(self, fields: Mapping[str, Field], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._fields = fields
        self._helps = {name: field.control.toolTip() for name, field in fields.items()}
        self._forget: dict[str, QAction] = {}
        self.waiting = ""
        """The parameter that waits for a control."""
        for name, field in fields.items():
            self._add_menu(name, field.control)

    def toggle(self, name: str) -> None:
        """Have a parameter learn the next control; if it waits for one already, no more."""
        self.learn.emit("" if name == self.waiting else name)

    def toggle_focused(self) -> None:
        """The same for the parameter whose widget has the keyboard."""
        here = QApplication.focusWidget()
        found = [
            name for name, field in self._fields.items() if here is not None and field.isAncestorOf(here)
        ]
        if found:
            self.toggle(found[0])
        else:
            self.said.emit("Go to a knob first, with the tab key or the mouse, then have it learn a control.")

    def show_waiting(self, name: str) -> None:
        """Mark the parameter that waits, as the engine says."""
        before, self.waiting = self.waiting, name
        for each in {before, name} & self._fields.keys():
            self._mark(self._fields[each].control, each == name)
        if name:
            self.said.emit(
                f"{spoken(name)}: move a MIDI control or send an OSC message. Ctrl+L again calls it off."
            )

    def show_bindings(self, pairs: Sequence[str]) -> None:
        """Name the controls of every parameter, given as controls and parameters by turns."""
        controls: dict[str, list[str]] = {}
        for source, name in zip(pairs[::2], pairs[1::2], strict=False):
            controls.setdefault(name, []).append(source)
        for name, field in self._fields.items():
            bound = ", ".join(controls.get(name, ()))
            field.control.setToolTip(self._helps[name] + (f"\nturned by {bound}" if bound else ""))
            field.control.setAccessibleDescription(field.control.toolTip())
            self._forget[name].setEnabled(bool(bound))

    def _add_menu(self, name: str, control: QWidget) -> None:
        learn, forget = QAction("Learn a control (Ctrl+L)", control), QAction("Forget its controls", control)
        learn.triggered.connect(lambda _: self.toggle(name))
        forget.triggered.connect(lambda _: self.unlearn.emit(name))
        forget.setEnabled(False)
        self._forget[name] = forget
        control.addActions([learn, forget])
        if not isinstance(control, QLineEdit):  # which adds them to its own menu
            control.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    @staticmethod
    def _mark(control: QWidget, waits: bool) -> None:
        control.setProperty("learning", waits)
        style = control.style()
        assert style is not None
        style.polish(control)
