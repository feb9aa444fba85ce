"""What the panel remembers between runs: its place on the screen, its theme, devices, favourites, history."""

from __future__ import annotations

from PyQt6.QtCore import QByteArray, QSettings
from PyQt6.QtWidgets import QMainWindow, QSplitter


def user_settings() -> QSettings:
    """The user's own."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "rtsep", "panel")


def restore(settings: QSettings, window: QMainWindow, splitter: QSplitter) -> None:
    """Put the window where it was."""
    geometry, split = settings.value("layout/geometry"), settings.value("layout/split")
    if isinstance(geometry, QByteArray):
        window.restoreGeometry(geometry)
    if isinstance(split, QByteArray):
        splitter.restoreState(split)


def remember(settings: QSettings, window: QMainWindow, splitter: QSplitter) -> None:
    """Note where the window is."""
    settings.setValue("layout/geometry", window.saveGeometry())
    settings.setValue("layout/split", splitter.saveState())
    settings.sync()
