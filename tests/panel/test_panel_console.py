"""Parameters on the screen and over OSC: both ways, and neither against the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panel_hands import another, type_in
from panel_peer import Peer
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QFocusEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from gui.fields import Fader, Switch
from gui.panel import Panel
from gui.words import Words
from rtsep.control import PARAMETERS

ROOT = Path(__file__).parents[2]


def test_every_parameter_has_one_widget_of_its_own(panel: Panel) -> None:
    assert panel.fields.keys() == PARAMETERS.keys()
    kinds = {str: Words, bool: Switch, float: Fader}
    for name, field in panel.fields.items():
        assert isinstance(field, kinds[PARAMETERS[name].kind])
        assert field.control.toolTip().startswith(PARAMETERS[name].help)


def test_every_parameter_goes_both_ways_by_keyboard_and_osc(panel: Panel, peer: Peer, qtbot: Any) -> None:
    for name in PARAMETERS:
        type_in(panel, name, another(name))
    qtbot.waitUntil(lambda: all(peer.console[name] == another(name) for name in PARAMETERS))
    qtbot.waitUntil(lambda: not any(map(panel.client.values.waits, PARAMETERS)))
    panel.transport.theme.setFocus()
    for name, parameter in PARAMETERS.items():
        peer.turn(name, parameter.default)
    qtbot.waitUntil(lambda: all(field.value == field.parameter.default for field in panel.fields.values()))
    qtbot.wait(50)
    assert {name: len(peer.heard(name)) for name in PARAMETERS} == dict.fromkeys(PARAMETERS, 1), (
        "no echo is sent on"
    )


def test_showing_a_value_never_sends_it(panel: Panel, peer: Peer, qtbot: Any) -> None:
    before = len(peer.received)
    for name in PARAMETERS:
        peer.turn(name, another(name))
        peer.turn(name, another(name))
    qtbot.waitUntil(lambda: all(field.value == another(name) for name, field in panel.fields.items()))
    qtbot.wait(50)
    assert len(peer.received) == before


def test_echoes_do_not_fight_a_fader_under_the_mouse(panel: Panel, peer: Peer, qtbot: Any) -> None:
    field = panel.fields["gain"]
    assert isinstance(field, Fader)
    field.slider.setSliderDown(True)
    field.slider.setValue(-100)
    qtbot.waitUntil(lambda: peer.console["gain"] == -10.0)
    peer.turn("gain", 6.0)
    qtbot.waitUntil(lambda: panel.client.values.known["gain"] == 6.0)
    qtbot.wait(20)
    assert field.slider.value() == -100
    field.slider.setValue(-50)
    field.slider.setSliderDown(False)
    qtbot.waitUntil(lambda: peer.console["gain"] == -5.0)
    assert field.value == -5.0


def test_what_others_set_does_not_overwrite_words_being_typed(panel: Panel, peer: Peer, qtbot: Any) -> None:
    field = panel.fields["prompt/1/text"]
    assert isinstance(field, Words)
    field.line.setFocus()
    QTest.keyClicks(field.line, "do")
    peer.turn("prompt/1/text", "rain")
    qtbot.waitUntil(lambda: field.value == "rain")
    assert field.line.text() == "do"
    QTest.keyClick(field.line, Qt.Key.Key_Escape)
    if field.line.text() == "do":  # the first escape closes the suggestions
        QTest.keyClick(field.line, Qt.Key.Key_Escape)
    assert field.line.text() == "rain"


def test_half_a_word_is_not_sent_when_another_window_comes_before(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    field = panel.fields["prompt/1/text"]
    assert isinstance(field, Words)
    field.line.setFocus()
    QTest.keyClicks(field.line, "qqq")  # no suggestion has it, so none open
    QApplication.sendEvent(
        field.line, QFocusEvent(QEvent.Type.FocusOut, Qt.FocusReason.ActiveWindowFocusReason)
    )
    qtbot.wait(50)
    assert not peer.heard("prompt/1/text")
    QApplication.sendEvent(field.line, QFocusEvent(QEvent.Type.FocusOut, Qt.FocusReason.TabFocusReason))
    qtbot.waitUntil(lambda: peer.console.strips[0].text == "qqq")


def test_a_refusal_is_said_and_the_widget_goes_back(panel: Panel, peer: Peer, qtbot: Any) -> None:
    peer.deaf = True
    type_in(panel, "prompt/1/text", "dog barking")
    qtbot.waitUntil(lambda: bool(peer.heard("prompt/1/text")))
    peer.deaf = False
    peer.say("error", "the words are too many")
    qtbot.waitUntil(lambda: panel.notice.text() == "the words are too many")
    qtbot.waitUntil(lambda: panel.fields["prompt/1/text"].value == "")


def test_what_the_engine_suffers_from_is_said_for_as_long_as_it_does(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    peer.say("fault", "the audio device has gone, and is waited for")
    qtbot.waitUntil(lambda: panel.notice.text() == "the audio device has gone, and is waited for")
    assert panel.notice.property("notice") == "wrong"
    peer.say("overload", "too slow: chunks of 2 hops")
    peer.say("fault", "")
    qtbot.waitUntil(lambda: panel.notice.text() == "too slow: chunks of 2 hops")
    peer.say("overload", "")
    qtbot.waitUntil(lambda: panel.notice.text().startswith("Connected"))


def test_an_edit_that_is_lost_on_the_way_does_not_stand_for_ever(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    peer.deaf = True
    type_in(panel, "bypass", True)
    qtbot.waitUntil(lambda: bool(peer.heard("bypass")))
    peer.deaf = False
    qtbot.waitUntil(lambda: panel.fields["bypass"].value is False, timeout=2000)
