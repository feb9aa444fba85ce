"""The folder that sounds are gathered into: clips, a table to train on, mixtures of what is held out."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rtsep.errors import ConfigError
from rtsep.train.pool import Samples
from rtsep.train.sounds.held_out import is_held_out, write_mixtures
from rtsep.train.sounds.rules import Sound

SAMPLE_RATE = 24000
TABLE = "sounds.csv"
MIXTURES = Path("held_out", "mixtures.jsonl")
COLUMNS = (
    *("path", "seconds", "label", "caption", "category"),
    *("group", "source_repo", "source_path", "licence"),
)


@dataclass(frozen=True)
class Cut:
    """The clips of one recording."""

    sound: Sound
    clips: list[Samples]
    forbidden: int
    """Clips left out, since they are like what is evaluated on."""
    unreadable: str = ""
    """Why there is none."""


class Writer:
    """Writes clips, each once, and remembers the table."""

    def __init__(self, out: Path, console: Console) -> None:
        self._out, self._console = out, console
        self._rows: list[dict[str, str]] = []
        self._seen: set[bytes] = set()
        self._repeated = self._forbidden = self._unreadable = 0

    def write(self, cut: Cut) -> None:
        """Write what was cut from one recording."""
        import soundfile

        sound = cut.sound
        self._forbidden += cut.forbidden
        if cut.unreadable:
            self._unreadable += 1
            self._console.print(f"left out: {cut.unreadable}", markup=False, highlight=False, soft_wrap=True)
        for clip in cut.clips:
            key = hashlib.sha256(clip.tobytes()).digest()
            if key in self._seen:
                self._repeated += 1
                continue
            self._seen.add(key)
            path = Path("clips", sound.package, f"{key.hex()[:12]}.opus")
            (self._out / path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(self._out / path, clip, SAMPLE_RATE, format="OGG", subtype="OPUS")
            seconds = f"{len(clip) / SAMPLE_RATE:.3f}"
            group = f"{sound.package} {sound.source}"
            values = (sound.label, "", sound.category, group, sound.package, sound.source, sound.licence)
            self._rows.append(dict(zip(COLUMNS, (str(path), seconds, *values), strict=True)))

    def finish(self, others: Iterable[dict[str, str]]) -> None:
        """Write mixtures of what is held out and, last, as the sign that all is there, the table."""
        if not self._rows:
            raise ConfigError("no sound was found")
        self._rows.sort(key=lambda row: (row["category"], row["label"], row["path"]))
        held_out = [row for row in self._rows if is_held_out(row)]
        kept = [*others, *(row for row in self._rows if not is_held_out(row))]
        write_mixtures(held_out, {row["label"] for row in kept}, self._out, self._out / MIXTURES)
        _write_table(self._out / TABLE, kept)

    @property
    def summary(self) -> str:
        """One line: how much there is, and what was left out."""
        hours = sum(float(row["seconds"]) for row in self._rows) / 3600
        held_out = sum(map(is_held_out, self._rows))
        labels = len({row["label"] for row in self._rows})
        return (
            f"{len(self._rows):,} clips, {hours:.1f} h, {labels} labels, {held_out:,} held out; left out: "
            f"{self._repeated} heard before, {self._forbidden} like what is evaluated on, "
            f"{self._unreadable} unreadable files"
        )


def _write_table(path: Path, rows: Iterable[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
