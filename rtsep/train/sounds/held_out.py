"""What is kept from training, to choose between models by: some labels, and some files of the others.

What is held out becomes mixtures for ``rtsep eval`` and ``rtsep train --validate``: pairs of two sounds at
one level, each with a prompt for something absent. So nothing need be chosen by the mixtures that the figures
of a model are given on. Other files of the same package are trained on, so that words that are known fare
better here than elsewhere: labels held out altogether say more.
"""

from __future__ import annotations

import json
import random
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtsep.train.vocabulary import Vocabulary, read_vocabulary

LABELS = frozenset(
    (
        *("accordion", "air raid siren", "bagpipes", "camera shutter", "catapult", "chicken clucking"),
        *("church organ", "cuckoo clock", "dice rolling", "donkey braying", "floppy disk drive", "harmonica"),
        *("hawk screeching", "heartbeat", "koto", "marimba", "racing car engine", "sewing machine", "shower"),
        *("sitar", "sonar ping", "timpani", "tuba", "typewriter", "vacuum cleaner", "washing machine"),
        *("whip cracking", "windmill turning", "zombie groaning"),
    )
)
"""Held out altogether: how a model understands words that it was not trained on."""

ONE_FILE_IN = 12
"""Of every other label, one file in so many is held out."""

PAIRS = 200
SECONDS = 4.0
LOUDNESS_DBFS = -23.0

Row = Mapping[str, str]
"""A line of the table: path, label, category, source_repo, source_path, ..."""


def is_held_out(row: Row) -> bool:
    """Whether a clip is to stay out of training; all clips of a file have one answer."""
    file = zlib.crc32(f"{row['source_repo']} {row['source_path']}".encode())
    return row["label"] in LABELS or file % ONE_FILE_IN == 0


def write_mixtures(rows: Sequence[Row], trained: Collection[str], root: Path, path: Path) -> None:
    """Write mixtures of held-out clips, a manifest as ``rtsep.evaluate.mixtures`` reads it.

    Args:
        rows: what is held out; of fewer than three labels no mixture can be made.
        trained: labels that are trained on.
        root: the folder that their paths are relative to.
        path: the manifest.
    """
    clips: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        clips[row["label"]].append(row)
    if len(clips) < 3:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(mixture) for mixture in _mixtures(clips, trained, root, random.Random(0)))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _mixtures(
    clips: Mapping[str, Sequence[Row]], trained: Collection[str], root: Path, chance: random.Random
) -> Iterator[dict[str, Any]]:
    labels, vocabulary = sorted(clips), read_vocabulary()
    for number in range(PAIRS):
        pair = chance.sample(labels, 2)
        sources = [_source(chance.choice(clips[label]), root, chance) for label in pair]
        mixture: dict[str, Any] = {
            "id": f"held-out-pair-{number:03d}",
            "set": "pair",
            "seconds": SECONDS,
            "sources": [source | {"known_label": source["prompt"] in trained} for source in sources],
        }
        others = [label for label in labels if not any(_akin(vocabulary, label, each) for each in pair)]
        yield mixture | ({"absent_prompt": chance.choice(others)} if others else {})


def _akin(vocabulary: Vocabulary, label: str, other: str) -> bool:
    """Whether a label is another one, or so near to it that nobody could say that it is absent."""
    kinds = [
        set(vocabulary.labels[each].kinds) if each in vocabulary.labels else set() for each in (label, other)
    ]
    return label == other or bool(kinds[0] & kinds[1])


def _source(row: Row, root: Path, chance: random.Random) -> dict[str, Any]:
    """A clip, or four seconds of it, anywhere in the mixture, over the whole of it as loud as the other."""
    wave, rate = soundfile.read(root / row["path"], dtype="float32")
    room = len(wave) / rate - SECONDS
    start = chance.uniform(0, room) if room > 0 else 0.0
    heard = wave[round(start * rate) : round((start + SECONDS) * rate)]
    energy = float(np.square(heard).sum()) / (SECONDS * rate)
    return {
        "path": row["path"],
        "start": round(start, 4),
        "at": round(chance.uniform(0, -room) if room < 0 else 0.0, 4),
        "gain_db": round(LOUDNESS_DBFS - 10 * float(np.log10(energy + 1e-12)), 3),
        "prompt": row["label"],
        "category": row["category"],
    }
