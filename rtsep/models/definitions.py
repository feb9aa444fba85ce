"""What the words of a prompt mean, by a dictionary: the nouns of WordNet (Miller 1995) and their definitions.

A sentence encoder knows a rare word by how it is spelt: to MiniLM a marimba is nearer to a cymbal than to a
xylophone. Its definition, "a percussion instrument with wooden bars", is made of words that it knows.
"""

from __future__ import annotations

import lzma
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SHIPPED = Path(__file__).parent / "definitions.txt.xz"
"""Made by ``rtsep.train.wordnet``; begins with WordNet's licence."""

COMMON = frozenset(
    (
        *("a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "its"),
        *("of", "on", "or", "some", "that", "the", "their", "this", "to", "with"),
    )
)
"""Words that are no nouns here, whatever a dictionary may say."""

SUFFIXES = (
    *(("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")),
    *(("men", "man"), ("ies", "y"), ("s", "")),
)
"""From plural to singular, by WordNet's own rules (Morphy)."""


class Definitions:
    """A dictionary of nouns.

    Args:
        path: lines of words, ``|`` between those of one meaning, a tab and their definition; or, after ``=``,
            an irregular plural, a tab and its singular. Those that begin with ``#`` are passed over.
    """

    def __init__(self, path: Path = SHIPPED) -> None:
        self._singular: dict[str, str] = {}
        self._meanings: dict[str, list[str]] = defaultdict(list)
        with lzma.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                words, _, meaning = line.rstrip("\n").partition("\t")
                if words.startswith("="):
                    self._singular[words[1:]] = meaning
                elif not words.startswith("#"):
                    for word in words.split("|"):
                        self._meanings[word].append(meaning)

    def look_up(self, phrase: str) -> list[tuple[str, list[str]]]:
        """Each noun of a phrase, in lower case, of several words where they are one noun, with its meanings.

        Left to right, the longest first; what is in no dictionary is passed over.
        """
        return list(self._nouns(phrase.split()))

    def _nouns(self, words: list[str]) -> Iterator[tuple[str, list[str]]]:
        start = 0
        while start < len(words):
            for stop in range(len(words), start, -1):
                noun = " ".join(words[start:stop])
                if found := self._meanings_of(noun):
                    yield noun, found
                    start = stop
                    break
            else:
                start += 1

    def _meanings_of(self, noun: str) -> list[str]:
        if noun in COMMON:
            return []
        shorter = (noun.removesuffix(end) + instead for end, instead in SUFFIXES if noun.endswith(end))
        for word in (noun, self._singular.get(noun, ""), *shorter):
            if word in self._meanings:
                return self._meanings[word]
        return []
