"""Light and dark: two sets of colours, and the style sheet made of either."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from string import Template
from typing import Literal

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QGuiApplication, QPalette

Choice = Literal["system", "light", "dark"]
CHOICES: tuple[Choice, ...] = ("system", "light", "dark")


@dataclass(frozen=True)
class Colours:
    """What each part of the panel is painted in."""

    window: str
    text: str
    faint: str
    """Text of lesser weight; still readable."""
    field: str
    """Behind what can be edited."""
    button: str
    border: str
    focus: str
    """Round whatever has the keyboard."""
    well: str
    """Behind meters and spectra."""
    good: str
    loud: str
    hot: str
    on_mark: str
    """Text on good, loud and hot."""


LIGHT = Colours(
    "#f4f5f7", "#16191d", "#525a64", "#ffffff", "#e6e8ec", "#9aa3ad", "#0b57d0", "#d9dde2",
    "#2e9e5b", "#d9a400", "#e5533d", "#0b0d0f",
)  # fmt: skip
DARK = Colours(
    "#17191d", "#eceff3", "#a5aeb9", "#0f1114", "#2a2e35", "#59626d", "#8ab4f8", "#0a0b0d",
    "#3fbf74", "#e8b930", "#f2705b", "#0b0d0f",
)  # fmt: skip


def colours_for(choice: str) -> Colours:
    """The colours of a choice; those of the desktop for "system"."""
    if choice == "system":
        hints = QGuiApplication.styleHints()
        choice = "dark" if hints is not None and hints.colorScheme() == Qt.ColorScheme.Dark else "light"
    return DARK if choice == "dark" else LIGHT


def palette(colours: Colours) -> QPalette:
    """For what the style sheet does not reach: pop-ups, tool tips, the edges of the window."""
    made = QPalette()
    roles = {
        QPalette.ColorRole.Window: colours.window,
        QPalette.ColorRole.WindowText: colours.text,
        QPalette.ColorRole.Base: colours.field,
        QPalette.ColorRole.Text: colours.text,
        QPalette.ColorRole.PlaceholderText: colours.faint,
        QPalette.ColorRole.Button: colours.button,
        QPalette.ColorRole.ButtonText: colours.text,
        QPalette.ColorRole.ToolTipBase: colours.field,
        QPalette.ColorRole.ToolTipText: colours.text,
        QPalette.ColorRole.Highlight: colours.focus,
        QPalette.ColorRole.HighlightedText: colours.window,
    }
    for role, colour in roles.items():
        made.setColor(role, QColor(colour))
    return made


def style_sheet(colours: Colours) -> str:
    """The style sheet of the window."""
    return Template(_SHEET).substitute(asdict(colours))


_SHEET = """
QWidget { background: $window; color: $text; }
QLabel { background: transparent; }
QLabel[weight="faint"] { color: $faint; }
QPushButton, QComboBox, QLineEdit, QDoubleSpinBox {
  border: 2px solid $border; border-radius: 4px; padding: 2px 6px; background: $field; min-height: 18px; }
QPushButton { background: $button; }
QPushButton:disabled, QComboBox:disabled { color: $faint; }
QPushButton:focus, QComboBox:focus, QLineEdit:focus, QDoubleSpinBox:focus { border: 2px solid $focus; }
QPushButton[learning="true"], QLineEdit[learning="true"], QDoubleSpinBox[learning="true"] {
  border: 2px dashed $loud; }
QPushButton:checked { background: $good; color: $on_mark; }
QPushButton[part="mute"]:checked, QPushButton[part="solo"]:checked { background: $loud; }
QPushButton[part="negative"]:checked, QPushButton[part="record"]:checked { background: $hot; }
QPushButton[part="star"] { padding: 2px 4px; border-color: transparent; background: transparent; }
QPushButton[part="star"]:checked { color: $loud; }
QPushButton[part="star"]:focus { border-color: $focus; }
QPushButton[part="bypass"] { font-size: 20px; font-weight: bold; min-height: 44px; min-width: 100px; }
QPushButton[part="bypass"]:checked { background: $hot; }
QAbstractItemView { background: $field; selection-background-color: $focus; selection-color: $window; }
QLabel[lamp="off"] { color: $faint; padding: 1px 6px; }
QLabel[lamp="on"] {
  background: $hot; color: $on_mark; padding: 1px 6px; border-radius: 4px; font-weight: bold; }
QLabel[notice="wrong"] { background: $hot; color: $on_mark; padding: 6px 10px; border-radius: 4px; }
QLabel[notice="fine"] { color: $faint; padding: 6px 10px; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow { width: 10px; height: 5px; background: qconicalgradient(cx:0.5, cy:1, angle:0,
  stop:0 transparent, stop:0.125 transparent, stop:0.126 $text, stop:0.374 $text, stop:0.375 transparent); }
QSlider { min-height: 22px; }
QSlider::groove:horizontal { height: 4px; background: $border; border-radius: 2px; }
QSlider::handle:horizontal { width: 12px; margin: -8px 0; border-radius: 3px; background: $text; }
QSplitter::handle { background: $window; }
QScrollBar:vertical { background: $window; width: 12px; }
QScrollBar:horizontal { background: $window; height: 12px; }
QScrollBar::handle { background: $border; border-radius: 4px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
"""
