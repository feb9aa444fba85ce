"""The panel without a mouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panel_hands import Make, suggestions, tab_chain, type_in
from panel_peer import PRESETS, Peer
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from gui.keys import KEYS
from gui.lexicon import QUICK_PICKS
from gui.panel import Panel
from gui.words import Words

ROOT = Path(__file__).parents[2]


def test_tab_reaches_everything_and_everything_has_a_name(panel: Panel) -> None:
    chain = tab_chain(panel)
    names = [widget.accessibleName() for widget in chain]
    assert all(names), [widget for widget in chain if not widget.accessibleName()]
    assert len(set(names)) == len(names), "two widgets cannot be told apart"
    assert {field.control for field in panel.fields.values()} <= set(chain)


def test_the_tab_key_goes_from_widget_to_widget(panel: Panel) -> None:
    chain = tab_chain(panel)
    chain[0].setFocus()
    seen = []
    for _ in chain:
        widget = QApplication.focusWidget()
        assert widget is not None
        seen.append(widget)
        QTest.keyClick(widget, Qt.Key.Key_Tab)
    assert {field.control for field in panel.fields.values()} <= set(seen)
    assert QApplication.focusWidget() is chain[0]


def test_presets_by_key_name_and_button(panel: Panel, peer: Peer, qtbot: Any) -> None:
    bar = panel.transport.presets
    offered = [bar.name.itemText(index) for index in range(bar.name.count())]
    assert [name for name in offered if name] == list(PRESETS), "as the engine has them"
    QTest.keyClick(panel, Qt.Key.Key_F10)
    qtbot.waitUntil(lambda: bar.name.currentText() == PRESETS[0])
    QTest.keyClick(panel, Qt.Key.Key_F9)
    qtbot.waitUntil(lambda: bar.name.currentText() == PRESETS[-1])
    bar.name.setFocus()
    line = bar.name.lineEdit()
    assert line is not None
    line.selectAll()
    QTest.keyClicks(bar.name, "mine")
    QTest.keyClick(bar.name, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: peer.preset == "mine")
    assert peer.heard("preset/save") == [["mine"]]
    qtbot.waitUntil(lambda: bar.name.findText("mine") >= 0)
    line.selectAll()
    QTest.keyClicks(bar.name, "nowhere")
    QTest.keyClick(bar.name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "nowhere" in panel.notice.text())
    line.selectAll()
    QTest.keyClicks(bar.name, "speech")
    QTest.keyClick(bar.name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: peer.preset == "speech")
    qtbot.wait(20)
    assert peer.heard("preset") == [["nowhere"], ["speech"]], "each asked for once"


def test_keys_work_from_within_a_line_of_words(panel: Panel, peer: Peer, qtbot: Any) -> None:
    QTest.keyClick(panel, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    words = QApplication.focusWidget()
    assert words is panel.fields["prompt/3/text"].control
    QTest.keyClick(words, Qt.Key.Key_F8)
    qtbot.waitUntil(lambda: peer.console.bypass)
    QTest.keyClick(words, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not peer.console.bypass)
    QTest.keyClick(words, Qt.Key.Key_F12)
    qtbot.waitUntil(lambda: panel.transport.record.text().startswith("Recording"))
    QTest.keyClick(words, Qt.Key.Key_F12)
    qtbot.waitUntil(lambda: panel.transport.record.text() == "Record")


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs/panel.md").read_text(encoding="utf-8")
    for name, keys in KEYS.items():
        if not name.startswith("strip"):
            assert f"| {name} | {', '.join(keys)} |" in text


def test_a_quick_pick_takes_the_first_free_strip_once(panel: Panel, peer: Peer, qtbot: Any) -> None:
    peer.turn("prompt/1/text", "rain")
    qtbot.waitUntil(lambda: panel.fields["prompt/1/text"].value == "rain")
    for text in (*QUICK_PICKS, *QUICK_PICKS):
        panel.strips.picks[text].click()
    qtbot.waitUntil(lambda: [strip.text for strip in peer.console.strips[:5]] == ["rain", *QUICK_PICKS, ""])
    for number in range(5, 9):
        panel.strips.pick(f"sound {number}")
    panel.strips.pick("one too many")
    assert "all 8 strips" in panel.notice.text()


def test_history_and_favourites_come_first_and_are_remembered(
    panel: Panel, make: Make, peer: Peer, qtbot: Any
) -> None:
    type_in(panel, "prompt/1/text", "two  cats")
    qtbot.waitUntil(lambda: peer.console.strips[0].text == "two cats")
    type_in(panel, "prompt/2/text", "rain")
    star = panel.fields["prompt/2/text"]
    assert isinstance(star, Words)
    QTest.keyClick(star.star, Qt.Key.Key_Space)
    assert star.star.text() == "★"
    lexicon = make(peer.port).lexicon
    texts = [item.text() for row in range(3) if (item := lexicon.model.item(row)) is not None]
    assert texts == ["★  rain", "↺  two cats", "speech"]


def test_suggestions_are_picked_with_the_keyboard(panel: Panel, peer: Peer, qtbot: Any) -> None:
    popup = suggestions(panel, "bark", qtbot)
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: peer.console.strips[0].text == "dog barking")


def test_a_quick_pick_switches_its_strip_on(panel: Panel, peer: Peer, qtbot: Any) -> None:
    peer.turn("prompt/1/enable", False)
    qtbot.waitUntil(lambda: panel.fields["prompt/1/enable"].value is False)
    panel.strips.pick("speech")
    qtbot.waitUntil(lambda: peer.console.strips[0].text == "speech" and peer.console.strips[0].enable)
