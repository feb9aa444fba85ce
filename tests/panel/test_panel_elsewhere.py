"""A panel for the engine of another computer: it is played from here, and started and stopped there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from panel_hands import discard, tab_chain
from PyQt6.QtCore import QSettings

from gui.client import Client
from gui.panel import Panel

HOST = "192.0.2.1"
"""Nobody's, by RFC 5737."""


@pytest.fixture
def panel(qtbot: Any, settings: QSettings) -> Iterator[Panel]:
    panel = Panel(Client(HOST), settings, ("no such program",))
    panel.show()
    yield panel
    discard(panel)


def test_no_engine_is_started_here_for_another_computer_and_why_is_said(panel: Panel) -> None:
    bar = panel.engine_bar
    assert not any(
        each.isVisible() for each in (bar.go, bar.halt, bar.again, bar.input, bar.output, bar.midi)
    )
    assert bar.state.text() == f"The engine runs on {HOST}: it is started and stopped there."
    assert bar.separator.isVisible()
    assert not bar.separator.isEnabled()
    assert not {bar.go, bar.input, bar.separator} & set(tab_chain(panel))
    assert "Start it there" in panel.notice.text()
    assert "no such program" not in panel.notice.text(), "nobody asks for the sound cards of this computer"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_computer_by_name_or_number_is_here(host: str) -> None:
    assert not Client(host).elsewhere
