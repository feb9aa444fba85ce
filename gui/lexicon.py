"""Words that have been used, words that are liked, and words to begin with."""

from __future__ import annotations

from PyQt6.QtCore import QObject, QSettings, Qt, pyqtSignal
from PyQt6.QtGui import QStandardItem, QStandardItemModel

WORDS_ROLE = int(Qt.ItemDataRole.UserRole)
"""The words of an entry, without the mark that says where they come from."""
REMEMBERED = 50

QUICK_PICKS = ("speech", "music", "sound effects")
"""What separators with fixed stems offer, one key away."""

SUGGESTIONS = (
    *QUICK_PICKS, "voice", "singing", "applause", "crowd", "laughter", "crying baby", "footsteps",
    "breathing", "coughing", "snoring", "keyboard typing", "mouse click", "clock ticking", "door knock",
    "door creak", "glass breaking", "vacuum cleaner", "washing machine", "kitchen", "dishes", "frying",
    "rain", "wind", "thunderstorm", "sea waves", "crackling fire", "water drops", "pouring water", "birds",
    "birdsong", "crow", "rooster", "hen", "dog barking", "cat meowing", "cow", "pig", "sheep", "frog",
    "insects", "crickets", "car horn", "engine", "train", "aircraft", "helicopter", "siren", "church bells",
    "chainsaw", "hand saw", "fireworks", "drums", "bass drum", "cymbal", "guitar", "bass guitar", "piano",
    "violin", "cello", "flute", "trumpet", "saxophone", "organ", "electronic music", "hum", "noise",
)  # fmt: skip
"""Plain names of sounds; the model takes any others as well."""


class Lexicon(QObject):
    """Favourites, then history, then suggestions, as one model for the completers of all strips."""

    changed = pyqtSignal()
    """The favourites are others now."""

    def __init__(self, settings: QSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.favourites = self._stored("favourites")
        self.history = self._stored("history")
        self.model = QStandardItemModel(self)
        self._fill()

    def remember(self, words: str) -> None:
        """Put words at the head of the history."""
        if self.history[:1] == [words]:
            return
        self.history = [words, *(each for each in self.history if each != words)][:REMEMBERED]
        self._settings.setValue("lexicon/history", self.history)
        self._fill()

    def toggle(self, words: str) -> None:
        """Make words a favourite, or no longer."""
        if words in self.favourites:
            self.favourites.remove(words)
        elif words:
            self.favourites.append(words)
        self._settings.setValue("lexicon/favourites", self.favourites)
        self._fill()
        self.changed.emit()

    def _stored(self, name: str) -> list[str]:
        found = self._settings.value(f"lexicon/{name}", [])
        return [str(each) for each in found] if isinstance(found, list) else [str(found)]

    def _fill(self) -> None:
        marks = dict.fromkeys(self.favourites, "★  ")  # the first mark that words get is theirs
        for source, mark in ((self.history, "↺  "), (SUGGESTIONS, "")):
            marks |= {words: mark for words in source if words not in marks}
        self.model.clear()
        for words, mark in marks.items():
            item = QStandardItem(mark + words)
            item.setData(words, WORDS_ROLE)
            self.model.appendRow(item)
