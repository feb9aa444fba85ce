"""The panel on a small screen: nothing is clipped, and what does not fit can be reached and read."""

from __future__ import annotations

from typing import Any

import pytest
from panel_peer import Peer
from PyQt6.QtCore import QEvent, QPoint, Qt
from PyQt6.QtGui import QHelpEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QToolTip, QWidget

from gui.panel import Panel
from gui.roll import Roll
from gui.words import Words

LONG = "a violin that is played in the far corner of a large church while rain falls on the roof"


def roll_of(panel: Panel) -> Roll:
    (roll,) = panel.findChildren(Roll)
    return roll


def resize(panel: Panel, width: int, height: int, qtbot: Any) -> None:
    panel.resize(width, height)
    qtbot.waitUntil(lambda: (panel.width(), panel.height()) == (width, height))
    QApplication.processEvents()


def in_view(roll: Roll, widget: QWidget) -> bool:
    viewport = roll.viewport()
    assert viewport is not None
    return viewport.rect().contains(widget.rect().translated(widget.mapTo(viewport, QPoint())))


def clipped(panel: Panel) -> list[str]:
    """Controls that their parents do not show whole."""
    found = []
    for field in panel.fields.values():
        control = field.control
        place = control.rect().translated(control.mapTo(panel.strips, QPoint()))
        if panel.strips.isAncestorOf(control) and not panel.strips.rect().contains(place):
            found.append(field.parameter.name)
        parent = control.parentWidget()
        assert parent is not None
        if not parent.rect().contains(control.geometry()):
            found.append(field.parameter.name)
    return found


@pytest.mark.parametrize("size", [(1024, 600), (800, 480)], ids=str)
def test_a_small_window_clips_nothing_and_rolls_up_and_down_at_most(
    panel: Panel, qtbot: Any, size: tuple[int, int]
) -> None:
    panel.transport.record.show_state(True)  # the longest that its text gets
    resize(panel, *size, qtbot)
    roll = roll_of(panel)
    across, down = roll.horizontalScrollBar(), roll.verticalScrollBar()
    assert across is not None
    assert down is not None
    assert across.maximum() == 0
    assert (down.maximum() == 0) == (size[1] >= 600)
    assert clipped(panel) == []
    assert panel.meters["in"].bar.width() >= 60


def test_the_keyboard_rolls_its_own_way(panel: Panel, qtbot: Any) -> None:
    resize(panel, 640, 360, qtbot)
    roll = roll_of(panel)
    words = panel.fields["prompt/8/text"].control
    assert not in_view(roll, words)
    QTest.keyClick(panel, Qt.Key.Key_8, Qt.KeyboardModifier.ControlModifier)
    assert in_view(roll, words)
    assert panel.rect().contains(panel.notice.geometry()), "what goes wrong is said in view"


def test_a_long_prompt_shows_its_beginning_and_all_of_it_under_the_mouse(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    field = panel.fields["prompt/1/text"]
    assert isinstance(field, Words)
    peer.turn("prompt/1/text", LONG)
    qtbot.waitUntil(lambda: field.line.text() == LONG)
    assert field.line.cursorPosition() == 0
    place = field.line.rect().center()
    QApplication.sendEvent(field.line, QHelpEvent(QEvent.Type.ToolTip, place, field.line.mapToGlobal(place)))
    assert QToolTip.text().startswith(f"{LONG}\n")


def test_a_name_that_is_too_long_for_its_picker_stands_in_its_tool_tip(panel: Panel) -> None:
    name = "A sound card whose maker has much to say about it, ALSA"
    panel.engine_bar.input.addItem(name)
    panel.engine_bar.input.setCurrentText(name)
    assert panel.engine_bar.input.toolTip().startswith(f"{name}\n")
