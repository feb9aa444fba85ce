"""What the engine reports, and what is seen when it goes and comes back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from panel_hands import type_in
from panel_peer import TERMS_MS, Peer
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui.panel import Panel

ROOT = Path(__file__).parents[2]


def test_an_engine_that_goes_is_noticed_within_a_second_and_one_that_comes_is_found(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    peer.stop()
    gone = time.monotonic()
    qtbot.waitUntil(lambda: "No engine answers" in panel.notice.text(), timeout=2000)
    assert time.monotonic() - gone < 1.0
    assert panel.meters["in"].figure.text() == "-"
    type_in(panel, "gain", -7.0)
    peer.start()
    back = time.monotonic()
    qtbot.waitUntil(lambda: "Connected" in panel.notice.text(), timeout=2000)
    assert time.monotonic() - back < 1.0
    qtbot.waitUntil(lambda: peer.console["gain"] == -7.0)


def test_what_was_set_just_before_an_engine_was_missed_reaches_the_next(
    panel: Panel, peer: Peer, qtbot: Any
) -> None:
    peer.stop()
    type_in(panel, "gain", -7.0)
    assert panel.client.alive  # it has not been missed yet
    qtbot.waitUntil(lambda: "No engine answers" in panel.notice.text(), timeout=2000)
    type_in(panel, "wet", 0.5)
    peer.start()
    qtbot.waitUntil(lambda: (peer.console["gain"], peer.console["wet"]) == (-7.0, 0.5), timeout=2000)


def test_a_datagram_from_somebody_else_changes_nothing(panel: Panel, peer: Peer, qtbot: Any) -> None:
    port = peer.heard("subscribe")[0][0]
    with Peer() as other:
        other.subscriber = ("127.0.0.1", port)
        other.turn("gain", 20.0)
        qtbot.wait(50)
    assert panel.fields["gain"].value == 0.0


def test_meters_spectra_and_figures_arrive(panel: Panel, peer: Peer, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: panel.meters["in"].bar.peak_db > -40)
    qtbot.waitUntil(lambda: all(scroll.count > 3 for scroll in panel.spectrogram.scrolls.values()))
    qtbot.waitUntil(lambda: panel.figures.load.text() != "load -")
    assert panel.figures.latency.text() == f"latency {sum(TERMS_MS.values()):.1f} ms"
    assert panel.figures.split.terms.keys() == TERMS_MS.keys()
    assert panel.pulse.beating


def test_nothing_beats_once_the_engine_has_gone(
    panel: Panel, peer: Peer, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.meters.HOLD_S", 0.1)
    monkeypatch.setattr("gui.meters.FALL_DB_S", 400.0)
    qtbot.waitUntil(lambda: panel.pulse.beating)
    peer.stop()
    qtbot.waitUntil(lambda: not panel.pulse.beating, timeout=10_000)


def test_clip_and_dropouts_are_shown_until_reset(panel: Panel, peer: Peer, qtbot: Any) -> None:
    peer.clipped, peer.dropouts = 3, 2
    peer._echo("dropouts")
    clip = panel.meters["out"].clip
    qtbot.waitUntil(lambda: clip.text() == "clip 3" and panel.figures.dropouts.text() == "dropouts 2")
    assert clip.property("lamp") == "on"
    QTest.keyClick(panel, Qt.Key.Key_F7)
    qtbot.waitUntil(lambda: clip.text() == "clip" and panel.figures.dropouts.text() == "dropouts 0")
    assert clip.property("lamp") == "off"
