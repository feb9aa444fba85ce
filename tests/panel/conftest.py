"""The panel under Qt's offscreen platform, and a peer that plays the engine's part over real UDP sockets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from panel_hands import discard
from panel_peer import Peer
from PyQt6.QtCore import QSettings

from gui.client import Client
from gui.panel import Panel
from rtsep.control import PARAMETERS

NOTHING = (sys.executable, "-c", "print('[]')")
"""In place of rtsep's commands: no devices."""

Make = Callable[..., Panel]


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as started:
        yield started


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "panel.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def make(qtbot: Any, settings: QSettings) -> Iterator[Make]:
    made: list[Panel] = []

    def panel(port: int, command: tuple[str, ...] = NOTHING) -> Panel:
        made.append(Panel(Client(port=port), settings, command))
        made[-1].show()
        made[-1].activateWindow()
        return made[-1]

    yield panel
    for each in made:
        discard(each)


@pytest.fixture
def panel(make: Make, peer: Peer, qtbot: Any) -> Panel:
    panel = make(peer.port)
    qtbot.waitUntil(lambda: panel.client.alive and len(panel.client.values.known) == len(PARAMETERS))
    return panel
