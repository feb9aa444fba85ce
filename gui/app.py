"""The program: ``rtsep panel``, or ``python -m gui.app``."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence

from PyQt6.QtCore import QSettings, QTimer
from PyQt6.QtWidgets import QApplication

from gui.client import Client
from gui.memory import user_settings
from gui.panel import Panel
from gui.protocol import HOST, PORT

WAKE_MS = 200
"""How often Python gets a look in while nothing happens, for Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Show the panel until it is closed.

    Args:
        argv: arguments without the program's name; those of the command line if None.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser("rtsep panel", description="The panel: a console on the screen.")
    parser.add_argument("--host", default=HOST, help="where the engine runs")
    parser.add_argument("--port", type=int, default=PORT, help="its OSC port")
    options = parser.parse_args(argv)
    application = QApplication(["rtsep"])
    panel = show(application, Client(options.host, options.port), user_settings())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _leave(panel))
    wake = QTimer()
    wake.timeout.connect(lambda: None)
    wake.start(WAKE_MS)
    return application.exec()


def _leave(panel: Panel) -> None:
    """Close without asking: whoever sends a signal waits for no answer."""
    panel.asks = False
    panel.close()


def show(application: QApplication, client: Client, settings: QSettings) -> Panel:
    """Dress the application and show a panel."""
    application.setApplicationName("rtsep")
    application.setStyle("Fusion")
    panel = Panel(client, settings)
    panel.show()
    gc.collect()
    gc.freeze()  # going through all that is loaded by now takes 80 ms, five frames, and finds nothing
    return panel


if __name__ == "__main__":
    sys.exit(main())
