"""The channel strips: one row a prompt, and one for everything else."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.fields import Fader, Field, Switch
from gui.lexicon import QUICK_PICKS, Lexicon
from gui.words import Words
from rtsep.control import PARAMETERS, STRIPS, Parameter

PARTS = ("enable", "text", "gain", "mute", "solo", "negative")
"""From left to right, which is also the order of the tab key."""


def make_field(parameter: Parameter, lexicon: Lexicon) -> Field:
    """The widget that a parameter's kind asks for."""
    if parameter.kind is bool:
        return Switch(parameter)
    return Words(parameter, lexicon) if parameter.kind is str else Fader(parameter)


class Strips(QWidget):
    """All strips, made from ``PARAMETERS``, with the built-in sounds above them."""

    refused = pyqtSignal(str)
    """What was asked cannot be done: why, in words."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        self.fields: dict[str, Field] = {}
        self.picks: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1 + PARTS.index("text"), 3)
        grid.setColumnStretch(1 + PARTS.index("gain"), 2)
        names = [str(number) for number in range(1, STRIPS + 1)]
        for row, number in enumerate(names):
            self._add_row(grid, row, number, f"prompt/{number}", lexicon)
        self._add_row(grid, STRIPS, "", "residual", lexicon)
        rest = QLabel("Everything else")
        rest.setToolTip("what no strip names")
        grid.addWidget(rest, STRIPS, 1 + PARTS.index("text"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._quick_picks())
        layout.addLayout(grid, 1)

    def prompts(self) -> tuple[list[str], list[str]]:
        """The words of the strips in use: those to hear, and those to take away."""
        found: tuple[list[str], list[str]] = ([], [])
        for number in range(1, STRIPS + 1):
            part = {
                part: self.fields[f"prompt/{number}/{part}"].value for part in ("text", "enable", "negative")
            }
            if part["text"] and part["enable"]:
                found[bool(part["negative"])].append(str(part["text"]))
        return found

    def focus(self, number: int) -> None:
        """Take the keyboard to the words of a strip, from 1."""
        words = self._words()[number]
        words.control.setFocus()
        words.line.selectAll()

    def pick(self, text: str) -> None:
        """Put a sound on the first free strip; where a strip has it already, go there."""
        words = self._words()
        free = [number for number, each in words.items() if each.value in (text, "")]
        number = next((each for each in free if words[each].value == text), min(free, default=0))
        if not number:
            self.refused.emit(f"all {STRIPS} strips are in use: clear one for {text!r}")
            return
        words[number].pick(text)
        enable = self.fields[f"prompt/{number}/enable"]
        if isinstance(enable, Switch):
            enable.button.setChecked(True)
        self.focus(number)

    def _words(self) -> Mapping[int, Words]:
        found = {number: self.fields[f"prompt/{number}/text"] for number in range(1, STRIPS + 1)}
        return {number: each for number, each in found.items() if isinstance(each, Words)}

    def _add_row(self, grid: QGridLayout, row: int, label: str, stem: str, lexicon: Lexicon) -> None:
        grid.addWidget(QLabel(label), row, 0)
        for column, part in enumerate(PARTS, start=1):
            parameter = PARAMETERS.get(f"{stem}/{part}")
            if parameter is not None:
                field = self.fields[parameter.name] = make_field(parameter, lexicon)
                grid.addWidget(field, row, column)

    def _quick_picks(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(QLabel("Sounds to find"))
        for text in QUICK_PICKS:
            button = self.picks[text] = QPushButton(text)
            button.setAccessibleName(f"Find {text}")
            button.setToolTip(f"put {text!r} on the first free strip")
            button.clicked.connect(lambda _, words=text: self.pick(words))
            row.addWidget(button)
        row.addStretch(1)
        return row
