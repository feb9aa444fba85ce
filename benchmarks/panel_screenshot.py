"""Take the picture of the panel that the documents show, under Qt's offscreen platform.

The panel is the real one, fed over UDP: by ``panel_peer`` (a flute in the rain, and what an ideal engine
would make of it) unless a running engine's port is given.

    QT_QPA_PLATFORM=offscreen python benchmarks/panel_screenshot.py docs/panel.png [--port 9123]
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from panel_peer import Peer
from PyQt6.QtCore import QSettings, QTimer
from PyQt6.QtWidgets import QApplication

from gui.app import show
from gui.client import Client

SECONDS = 10
"""Until the spectrograms are full."""
CONSOLE = {
    "prompt/1/text": "flute",
    "prompt/1/solo": True,
    "prompt/2/text": "rain",
    "prompt/2/gain": -12.0,
    "prompt/2/negative": True,
    "prompt/3/text": "speech",
    "prompt/3/mute": True,
    "residual/gain": -6.0,
    "gain": 1.5,
    "wet": 0.9,
}


def main() -> None:
    """Show the panel, wait, save the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--port", type=int, help="of a running engine")
    parser.add_argument("--theme", choices=("light", "dark"), default="dark")
    options = parser.parse_args()
    application = QApplication(["rtsep"])
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        port = options.port
        if port is None:
            peer = stack.enter_context(Peer())
            for name, value in CONSOLE.items():
                peer.turn(name, value)
            port = peer.port
        settings = QSettings(f"{folder}/panel.ini", QSettings.Format.IniFormat)
        settings.setValue("theme", options.theme)
        panel = show(application, Client(port=port), settings)
        panel.resize(1240, 720)  # of the offscreen screen it has only 800
        QTimer.singleShot(1000 * SECONDS, application.exit)  # quit would close the window
        application.exec()
        panel.grab().save(str(options.picture))
        panel.close()
    print(f"{options.picture}: {options.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
