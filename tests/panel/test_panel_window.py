"""How the panel looks, what it remembers, and what it is as a program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from panel_hands import Make
from panel_peer import Peer
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui.panel import Panel
from gui.theme import DARK, LIGHT, Colours

ROOT = Path(__file__).parents[2]


def luminance(colour: str) -> float:
    parts = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_focus_can_be_seen(colours: Colours) -> None:
    for back in (colours.window, colours.field, colours.button):
        assert contrast(colours.text, back) >= 7
        assert contrast(colours.faint, back) >= 4.5
        assert contrast(colours.focus, back) >= 3
    for mark in (colours.good, colours.loud, colours.hot):
        assert contrast(colours.on_mark, mark) >= 4.5


def test_the_theme_changes_by_key_and_is_remembered(panel: Panel, make: Make, peer: Peer) -> None:
    panel.transport.theme.setCurrentText("light")
    light = panel.grab().toImage().pixelColor(2, 2).name()
    QTest.keyClick(panel, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert panel.grab().toImage().pixelColor(2, 2).name() == DARK.window
    assert light == LIGHT.window
    assert make(peer.port).transport.theme.currentText() == "dark"


def test_the_layout_is_remembered(panel: Panel, make: Make, peer: Peer) -> None:
    panel.resize(1300, 700)
    panel.splitter.setSizes([800, 400])
    panel.close()
    again = make(peer.port)
    assert again.height() == 700, "the width is beyond Qt's offscreen screen"
    assert again.settings.value("layout/split") == panel.splitter.saveState()


def test_the_panel_loads_no_torch() -> None:
    script = (
        "import sys, gui.app; print(sorted({'torch', 'sounddevice', 'transformers'} & sys.modules.keys()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "[]"


def test_the_program_shows_itself_and_closes_on_a_signal(peer: Peer, tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    peer.deaf = True
    with subprocess.Popen(
        [sys.executable, "-m", "gui.app", "--port", str(peer.port)], cwd=ROOT, env=environment
    ) as program:
        until = time.monotonic() + 20
        while len(peer.heard("subscribe")) < 2 and time.monotonic() < until:
            time.sleep(0.05)  # the second time it knocks it is on its feet
        peer.deaf = False
        while peer.subscriber is None and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.1)  # until the answer has arrived
        program.terminate()
        assert program.wait(10) == 0
    assert peer.heard("unsubscribe")
    assert "geometry" in (tmp_path / "rtsep/panel.ini").read_text(encoding="utf-8")
