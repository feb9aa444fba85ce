"""Presets from the panel: what is typed or picked is neither lost nor saved wrongly without a word."""

from __future__ import annotations

from typing import Any

import pytest
from panel_hands import suggestions, type_in
from panel_peer import PRESETS, Peer
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QComboBox, QLineEdit

from gui.fields import Fader
from gui.panel import Panel
from gui.words import Words

CTRL = Qt.KeyboardModifier.ControlModifier


def type_name(panel: Panel, name: str) -> QLineEdit:
    line = panel.transport.presets.line
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, name)
    return line


@pytest.fixture
def alone(panel: Panel, peer: Peer, qtbot: Any) -> Panel:
    """A panel whose engine has gone."""
    peer.stop()
    qtbot.waitUntil(lambda: not panel.client.alive, timeout=2000)
    return panel


def test_a_preset_picked_without_an_engine_is_loaded_by_the_next_and_then_what_was_set_after_it(
    alone: Panel, peer: Peer, qtbot: Any
) -> None:
    type_in(alone, "wet", 0.25)
    QTest.keyClick(type_name(alone, "speech"), Qt.Key.Key_Return)
    type_in(alone, "gain", -7.0)
    assert alone.transport.presets.line.text() == "speech"
    peer.start()
    qtbot.waitUntil(lambda: peer.console["gain"] == -7.0, timeout=2000)
    names = [name for name, _ in peer.received]
    assert peer.heard("preset") == [["speech"]]
    assert names.index("wet") < names.index("preset") < names.index("gain")
    qtbot.waitUntil(lambda: alone.transport.presets.line.text() == "speech")


def test_a_preset_picked_just_before_an_engine_was_missed_reaches_the_next(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    QTest.keyClick(type_name(panel, "birds"), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: peer.preset == "birds")
    peer.stop()
    peer.preset = ""
    panel.client._read()
    QTest.keyClick(type_name(panel, "speech"), Qt.Key.Key_Return)
    type_in(panel, "gain", -7.0)
    assert panel.client.alive
    qtbot.waitUntil(lambda: not panel.client.alive, timeout=2000)
    peer.start()
    qtbot.waitUntil(lambda: peer.console["gain"] == -7.0, timeout=2000)
    names = [name for name, _ in peer.received]
    assert names.index("gain") > len(names) - names[::-1].index("preset") - 1
    assert peer.heard("preset") == [["birds"], ["speech"]]


def test_a_preset_that_was_loaded_is_not_loaded_again_by_the_next_engine(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    QTest.keyClick(type_name(panel, "speech"), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: peer.preset == "speech")
    qtbot.wait(50)
    peer.stop()
    qtbot.waitUntil(lambda: not panel.client.alive, timeout=2000)
    peer.start()
    qtbot.waitUntil(lambda: panel.client.alive, timeout=2000)
    qtbot.wait(50)
    assert peer.heard("preset") == [["speech"]]


def test_nothing_is_saved_without_an_engine_and_that_is_said_and_the_name_stays(
    alone: Panel, peer: Peer, qtbot: Any
) -> None:
    line = type_name(alone, "mine")
    QTest.keyClick(line, Qt.Key.Key_S, CTRL)
    assert alone.notice.text() == "The preset 'mine' is not saved: no engine answers."
    assert "'mine'" in alone.notice.text()
    alone.setFocus()
    peer.start()
    qtbot.waitUntil(lambda: alone.client.alive, timeout=2000)
    qtbot.wait(50)
    assert not peer.heard("preset/save")
    assert line.text() == "mine"


@pytest.mark.parametrize("key", [Qt.Key.Key_F7, Qt.Key.Key_F9, Qt.Key.Key_F10, Qt.Key.Key_F12])
def test_what_only_an_engine_can_do_is_refused_without_one(alone: Panel, key: Qt.Key) -> None:
    before = alone.notice.text()
    QTest.keyClick(alone, key)
    assert alone.notice.text() != before
    assert "no engine answers" in alone.notice.text()


def test_what_is_saved_has_the_words_and_digits_that_were_typed_and_not_entered(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    type_name(panel, "mine")
    words, gain = panel.fields["prompt/1/text"], panel.fields["gain"]
    assert isinstance(words, Words)
    assert isinstance(gain, Fader)
    words.line.setText("dog barking")
    words.line.setModified(True)
    gain.control.setFocus()
    QTest.keyClick(gain.control, Qt.Key.Key_A, CTRL)
    QTest.keyClicks(gain.control, "-7")
    QTest.keyClick(gain.control, Qt.Key.Key_S, CTRL)
    qtbot.waitUntil(lambda: bool(peer.heard("preset/save")))
    names = [name for name, _ in peer.received]
    assert {"prompt/1/text", "gain"} <= set(names[: names.index("preset/save")])
    assert (peer.console["prompt/1/text"], peer.console["gain"]) == ("dog barking", -7.0)


def test_a_name_that_begins_another_saves_under_itself(panel: Panel, peer: Peer, qtbot: Any) -> None:
    assert PRESETS[-1] == "speech"
    QTest.keyClick(type_name(panel, "spee"), Qt.Key.Key_S, CTRL)
    qtbot.waitUntil(lambda: bool(peer.heard("preset/save")))
    assert peer.heard("preset/save") == [["spee"]]


@pytest.mark.parametrize("name", PRESETS)
def test_enter_loads_the_name_on_the_line_once_each_time(
    panel: Panel, peer: Peer, qtbot: Any, name: str
) -> None:
    for times in (1, 2):
        QTest.keyClick(type_name(panel, name), Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: peer.preset == name)
        qtbot.wait(20)
        assert peer.heard("preset") == [[name]] * times


def test_a_wheel_over_a_list_picks_nothing(panel: Panel, peer: Peer, qtbot: Any) -> None:
    pickers = panel.findChildren(QComboBox)
    assert len(pickers) > 5
    before = [picker.currentIndex() for picker in pickers]
    for picker in pickers:
        place = QPointF(picker.rect().center())
        turned = QPoint(0, -120)
        wheel = QWheelEvent(
            place, picker.mapToGlobal(place), turned, turned,
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(picker, wheel)
    qtbot.wait(20)
    assert [picker.currentIndex() for picker in pickers] == before
    assert not peer.heard("preset")


def test_keys_work_while_suggestions_are_open(panel: Panel, peer: Peer, qtbot: Any) -> None:
    popup = suggestions(panel, "bark", qtbot)
    QTest.keyClick(popup, Qt.Key.Key_F8)
    qtbot.waitUntil(lambda: peer.console.bypass)


def test_whether_a_preset_was_saved_is_said(panel: Panel, peer: Peer, qtbot: Any) -> None:
    QTest.keyClick(type_name(panel, "mine"), Qt.Key.Key_S, CTRL)
    qtbot.waitUntil(lambda: panel.notice.text() == "The preset 'mine' is saved.")
    assert panel.notice.property("notice") == "fine"
    peer.deaf = True
    QTest.keyClick(type_name(panel, "yours"), Qt.Key.Key_S, CTRL)
    qtbot.waitUntil(lambda: len(peer.heard("preset/save")) == 2)
    peer.stop()
    qtbot.waitUntil(lambda: "before it said that the preset 'yours' is saved" in panel.notice.text())


def test_escape_drops_a_name_that_is_being_typed(panel: Panel, peer: Peer, qtbot: Any) -> None:
    line = type_name(panel, "speech")
    QTest.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: peer.preset == "speech")
    qtbot.wait(20)
    QTest.keyClick(type_name(panel, "some"), Qt.Key.Key_Escape)
    assert line.text() == "speech"


def test_a_name_is_loaded_by_the_enter_key_alone_and_once(panel: Panel, peer: Peer, qtbot: Any) -> None:
    type_name(panel, "speech")
    type_in(panel, "wet", 0.5)
    qtbot.wait(50)
    assert not peer.heard("preset")
    QTest.keyClick(type_name(panel, "speech"), Qt.Key.Key_Return)
    type_in(panel, "wet", 0.25)
    qtbot.waitUntil(lambda: peer.console["wet"] == 0.25)
    assert peer.heard("preset") == [["speech"]]


def test_what_is_no_longer_the_preset_is_marked_until_it_is_so_again(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    bar = panel.transport.presets
    type_in(panel, "wet", 0.5)
    assert not bar.changed, "there is no preset to differ from"
    QTest.keyClick(type_name(panel, "speech"), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: peer.preset == "speech")
    qtbot.wait(20)
    assert not bar.changed
    type_in(panel, "wet", 0.25)
    assert bar.changed
    assert "changed" in bar.name.accessibleDescription()
    type_in(panel, "wet", 0.5)
    assert not bar.changed
    peer.turn("prompt/1/text", "rain")
    qtbot.waitUntil(lambda: bar.changed)
    QTest.keyClick(type_name(panel, "mine"), Qt.Key.Key_S, CTRL)
    qtbot.waitUntil(lambda: peer.preset == "mine" and not bar.changed)
    type_in(panel, "gain", -7.0)
    assert bar.changed
    peer.stop()
    qtbot.waitUntil(lambda: not panel.client.alive, timeout=2000)
    assert not bar.changed
