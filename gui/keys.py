"""Keys that work wherever the focus is. The table is shown in docs/panel.md; a test compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QWidget

from rtsep.control import STRIPS

KEYS: dict[str, tuple[str, ...]] = {
    "bypass": ("F8", "Ctrl+B"),
    "previous preset": ("F9", "Ctrl+PgUp"),
    "next preset": ("F10", "Ctrl+PgDown"),
    "save preset": ("Ctrl+S",),
    "record": ("F12", "Ctrl+R"),
    "reset counts": ("F7",),
    "theme": ("Ctrl+T",),
    "learn a control": ("Ctrl+L",),
    **{f"strip {number}": (f"Ctrl+{number}",) for number in range(1, STRIPS + 1)},
}
"""What can be done by key, and with which."""


def bind(window: QWidget, deeds: Mapping[str, Callable[[], object]]) -> dict[str, QAction]:
    """Give a window the keys.

    Args:
        window: whose keys they are.
        deeds: what to do, by the names of ``KEYS``; all of them.
    """
    actions = {}
    for name, keys in KEYS.items():
        action = actions[name] = QAction(name, window)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.setAutoRepeat(False)
        action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)  # suggestions are another window
        action.triggered.connect(lambda _, deed=deeds[name]: deed())
        window.addAction(action)
    return actions
