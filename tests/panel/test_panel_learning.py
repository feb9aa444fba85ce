"""Controls from elsewhere are learnt from the panel, by mouse menu or by key, and named where they turn."""

from __future__ import annotations

from typing import Any

from panel_peer import Peer
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui.panel import Panel
from rtsep.control import PARAMETERS


def test_a_control_is_learnt_by_key_and_named_and_forgotten(panel: Panel, peer: Peer, qtbot: Any) -> None:
    field = panel.fields["prompt/2/gain"]
    field.control.setFocus()
    QTest.keyClick(field.control, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: panel.learning.waiting == "prompt/2/gain")
    assert "Strip 2 gain: move a MIDI control" in panel.notice.text()
    assert field.control.property("learning") is True
    peer.move("midi/1/cc/7")
    qtbot.waitUntil(lambda: panel.learning.waiting == "")
    assert field.control.property("learning") is False
    assert field.control.toolTip() == f"{PARAMETERS['prompt/2/gain'].help}\nturned by midi/1/cc/7"
    forget = field.control.actions()[1]
    assert forget.isEnabled()
    forget.trigger()
    qtbot.waitUntil(lambda: field.control.toolTip() == PARAMETERS["prompt/2/gain"].help)
    assert not forget.isEnabled()


def test_learning_is_called_off_by_asking_again(panel: Panel, peer: Peer, qtbot: Any) -> None:
    learn, _ = panel.fields["bypass"].control.actions()
    for waiting in ("bypass", ""):
        learn.trigger()
        qtbot.waitUntil(lambda wanted=waiting: panel.learning.waiting == wanted)
    assert peer.heard("learn") == [["bypass"], [""]]


def test_every_parameter_can_learn(panel: Panel, peer: Peer, qtbot: Any) -> None:
    for name, field in panel.fields.items():
        field.control.actions()[0].trigger()
        qtbot.waitUntil(lambda wanted=name: panel.learning.waiting == wanted)
    peer.move("/1/fader3")
    last = panel.fields[name].control
    qtbot.waitUntil(lambda: last.toolTip().endswith("turned by /1/fader3"))


def test_without_a_knob_under_the_keyboard_it_says_what_to_do(panel: Panel, peer: Peer) -> None:
    panel.transport.theme.setFocus()
    QTest.keyClick(panel.transport.theme, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert "Go to a knob first" in panel.notice.text()
    assert not peer.heard("learn")


def test_what_waits_is_forgotten_with_the_engine(panel: Panel, peer: Peer, qtbot: Any) -> None:
    panel.learning.toggle("wet")
    qtbot.waitUntil(lambda: panel.learning.waiting == "wet")
    peer.stop()
    qtbot.waitUntil(lambda: not panel.client.alive)
    assert panel.learning.waiting == ""
