"""``rtsep/models/definitions.txt.xz`` from WordNet's files: ``make definitions``."""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

from rtsep.models.definitions import SHIPPED

FILES = {
    *("04", "05", "06", "08", "10", "11"),  # acts, animals, artefacts, the body, communication, events
    *("13", "14", "17", "18", "19", "20"),  # food, groups, objects, persons, phenomena, plants
}
"""Of WordNet's kinds of nouns (lexnames(5WN)), what may sound, or be what sounds."""


def condense(wordnet: Path, out: Path = SHIPPED) -> None:
    """Write the nouns that matter for ``Definitions``, the licence first.

    Args:
        wordnet: folder with ``data.noun`` and ``noun.exc`` of WordNet 3.0.
        out: the file.
    """
    lines = (wordnet / "data.noun").read_text(encoding="latin-1").splitlines()
    licence = [f"# {line.split(' ', 3)[3].strip()}" for line in lines if line.startswith("  ")]
    found = [*licence, *_meanings(lines)]
    nouns = {word for line in found for word in line.partition("\t")[0].split("|")}
    for line in (wordnet / "noun.exc").read_text(encoding="latin-1").splitlines():
        plural, singular = line.replace("_", " ").split(" ")[0], line.split(" ")[1].replace("_", " ")
        if singular in nouns and plural not in nouns:
            found.append(f"={plural}\t{singular}")
    out.write_bytes(lzma.compress("".join(f"{line}\n" for line in found).encode(), preset=9))


def _meanings(lines: list[str]) -> Iterator[str]:
    """Of lines of data.noun, wndb(5WN): offset, kind, type, how many words, each with an id, ... | gloss."""
    for line in lines:
        fields = line.split(" ")
        if not line.startswith("  ") and fields[1] in FILES:
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            meaning = line.partition(" | ")[2].partition('; "')[0].strip()
            yield "|".join(word.replace("_", " ").lower() for word in words) + f"\t{meaning}"


if __name__ == "__main__":
    condense(Path(sys.argv[1]))
