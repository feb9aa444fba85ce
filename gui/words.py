"""The field for a prompt: what to find, in words, with favourites, history and suggestions."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent, QFocusEvent, QHelpEvent, QKeyEvent
from PyQt6.QtWidgets import QCompleter, QLineEdit, QPushButton, QToolTip

from gui.fields import Field, spoken
from gui.lexicon import WORDS_ROLE, Lexicon
from rtsep.control import LONGEST_PROMPT, Parameter, Value

STAYING = (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason)
"""Who goes to the suggestions or to another program has not finished typing."""


class _Line(QLineEdit):
    """A line that opens all suggestions with the down key, and tells when it is left."""

    left = pyqtSignal()

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self.overfull:
            QToolTip.showText(event.globalPos(), f"{self.text()}\n{self.toolTip()}", self)
            return True
        return super().event(event)

    @property
    def overfull(self) -> bool:
        """Whether there are more words than can be seen."""
        return self.fontMetrics().horizontalAdvance(self.text()) > self.contentsRect().width()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        completer = self.completer()
        if event is not None and event.key() == Qt.Key.Key_Down and completer is not None:
            completer.setCompletionPrefix("")
            completer.complete()
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        menu = self.createStandardContextMenu()
        if event is not None and menu is not None:
            menu.addSeparator()
            menu.addActions(self.actions())
            menu.exec(event.globalPos())

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        super().focusOutEvent(event)
        if event is not None and event.reason() not in STAYING:
            self.left.emit()


class Words(Field):
    """Words for a prompt. They are sent with the enter key, on leaving the line, or by picking one.

    Until the engine has learnt them they are in italics.
    """

    def __init__(self, parameter: Parameter, lexicon: Lexicon) -> None:
        self.line, self.star = _Line(), QPushButton("☆")
        self.line.setPlaceholderText("name a sound")
        self.line.setMaxLength(LONGEST_PROMPT)
        self.line.setMinimumWidth(120)
        self._lexicon = lexicon
        super().__init__(parameter, self.line)
        completer = QCompleter(lexicon.model, self)
        completer.setCompletionRole(WORDS_ROLE)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setMaxVisibleItems(14)
        self.line.setCompleter(completer)
        self.star.setCheckable(True)
        self.star.setProperty("part", "star")
        self.star.setAccessibleName(f"{spoken(parameter.name)} is a favourite")
        self.star.setToolTip("keep these words among the favourites")
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self.star)
        self.star.clicked.connect(lambda: lexicon.toggle(str(self.value)))
        self.line.returnPressed.connect(self._send)
        self.line.left.connect(self._send)
        completer.activated.connect(self.pick)
        lexicon.changed.connect(self._mark)
        self._mark()

    @property
    def held(self) -> bool:
        """Whether words are being typed."""
        return self.line.isModified()

    def finish(self) -> None:
        """Send the words on the line."""
        if self.held:
            self._send()

    def draw(self, value: Value) -> None:
        """Write the words on the line."""
        if self.line.text() != value:
            self.line.setText(str(value))
        if not self.line.hasFocus():
            self.line.home(False)  # of a long prompt the beginning says more than the end
        self.line.setModified(False)

    def show_value(self, value: Value) -> None:
        """Show what the engine holds, now learnt."""
        super().show_value(value)
        self._slant(False)
        self._mark()

    def pick(self, text: str) -> None:
        """Take words as if they had been typed."""
        self.line.setText(text)
        self._send()

    def _send(self) -> None:
        words = " ".join(self.line.text().split())
        if words == self.value:
            self._show()
            return
        self._slant(True)
        if words:
            self._lexicon.remember(words)
        self._edit(words)
        self._mark()

    def _slant(self, waiting: bool) -> None:
        font = self.line.font()
        if font.italic() != waiting:
            font.setItalic(waiting)
            self.line.setFont(font)

    def _mark(self) -> None:
        favourite = str(self.value) in self._lexicon.favourites
        self.star.setChecked(favourite)
        self.star.setText("★" if favourite else "☆")
        self.star.setEnabled(bool(self.value))
