"""What a user's hands do to a panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt6 import sip
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractItemView, QApplication, QWidget

from gui.fields import Switch
from gui.panel import Panel
from gui.words import Words
from rtsep.control import PARAMETERS, Value

Make = Callable[..., Panel]


def another(name: str) -> Value:
    parameter = PARAMETERS[name]
    return {str: "dog barking", bool: not parameter.default, float: parameter.high / 2}[parameter.kind]


def type_in(panel: Panel, name: str, value: Value) -> None:
    """Set a parameter with the keyboard alone."""
    field = panel.fields[name]
    panel.activateWindow()  # Qt's offscreen platform loses it when suggestions close
    assert QTest.qWaitForWindowActive(panel)
    field.control.setFocus(Qt.FocusReason.TabFocusReason)
    assert QApplication.focusWidget() is field.control
    if isinstance(field, Switch):
        QTest.keyClick(field.control, Qt.Key.Key_Space)
        return
    QTest.keyClick(field.control, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(field.control, str(value))
    QTest.keyClick(field.control, Qt.Key.Key_Return)


def suggestions(panel: Panel, letters: str, qtbot: Any) -> QAbstractItemView:
    """What opens under the first prompt while somebody types in it."""
    field = panel.fields["prompt/1/text"]
    assert isinstance(field, Words)
    field.line.setFocus()
    QTest.keyClicks(field.line, letters)
    completer = field.line.completer()
    assert completer is not None
    popup = completer.popup()
    assert popup is not None
    qtbot.waitUntil(popup.isVisible)
    return popup


def tab_chain(panel: Panel) -> list[QWidget]:
    """What the tab key goes through, from the first widget around."""
    order: list[QWidget] = []
    widget = panel.nextInFocusChain()
    while widget is not None and widget is not panel:
        takes = widget.isEnabled() and widget.isVisible() and widget.focusProxy() is None
        if takes and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            order.append(widget)
        widget = widget.nextInFocusChain()
    return order


def discard(panel: Panel) -> None:
    """Close a panel and have Qt take it apart now.

    Python's collector would, at any time, in any order, and crash where an event is on its way to a part.
    """
    panel.asks = False
    panel.close()
    sip.delete(panel)
