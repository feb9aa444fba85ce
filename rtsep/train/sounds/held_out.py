"""What is kept from training, to choose between models by: some labels, and some files of the others.

What is held out becomes mixtures for ``rtsep eval`` and ``rtsep train --validate``, in two sets: pairs of
two sounds at one level, and prompts for something absent. So nothing need be chosen by the mixtures that the
figures of a model are given on.
"""

from __future__ import annotations

import json
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtsep.evaluate.mixtures import ABSENT

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

PAIRS, ABSENTS = 160, 40
SECONDS = 4.0
LOUDNESS_DBFS = -23.0

Row = Mapping[str, str]
"""A line of the table: path, label, category, source_repo, source_path, ..."""


def is_held_out(row: Row) -> bool:
    """Whether a clip is to stay out of training; all clips of a file have one answer."""
    file = zlib.crc32(f"{row['source_repo']} {row['source_path']}".encode())
    return row["label"] in LABELS or file % ONE_FILE_IN == 0


def write_mixtures(rows: Sequence[Row], root: Path, path: Path) -> None:
    """Write mixtures of held-out clips, a manifest as ``rtsep.evaluate.mixtures`` reads it.

    Args:
        rows: what is held out; of fewer than three labels no mixture can be made.
        root: the folder that their paths are relative to.
        path: the manifest.
    """
    clips: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        clips[row["label"]].append(row)
    if len(clips) < 3:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(mixture) for mixture in _mixtures(clips, root, random.Random(0)))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _mixtures(
    clips: Mapping[str, Sequence[Row]], root: Path, chance: random.Random
) -> Iterator[dict[str, Any]]:
    labels = sorted(clips)
    for number in range(PAIRS + ABSENTS):
        *pair, other = chance.sample(labels, 3)
        absent = number >= PAIRS
        name = ABSENT if absent else "pair"
        mixture: dict[str, Any] = {
            "id": f"held-out-{name}-{number:03d}",
            "set": name,
            "seconds": SECONDS,
            "sources": [_source(chance.choice(clips[label]), root, chance) for label in pair],
        }
        yield mixture | ({"absent_prompt": other} if absent else {})


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
        "known_label": row["label"] not in LABELS,
    }
