"""Data sets in the layout in which they are published: DnR (version 2) and AudioCaps."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from pathlib import Path

from rtsep.errors import ConfigError
from rtsep.train.row import Row

logger = logging.getLogger(__name__)

ANNOTATIONS = "annots.csv"
_AUDIOCAPS = ("audiocap_id", "youtube_id", "start_time", "caption")
_SHORTEST_S = 0.1
"""Events of less than this are left out: their place in the table is rounded."""


def is_dnr(data: Path) -> bool:
    """Whether a folder is DnR's, or its training set."""
    return data.is_dir() and next(_dnr_tables(data), None) is not None


def read_dnr(data: Path) -> list[Row]:
    """The stems of DnR's training set (Petermann et al. 2022): ``tr/ID/speech.wav, music.wav, sfx.wav``.

    Speech and music are one clip a file, called just so, as in the paper. Of effects each event that
    ``annots.csv`` lists is a clip, captioned by everything that sounds while it does.

    Raises:
        ConfigError: a table lacks a column or has no numbers.
    """
    rows: list[Row] = []
    for table in sorted(_dnr_tables(data)):
        folder = table.parent
        rows += [Row(folder / f"{stem}.wav", stem, stem) for stem in ("speech", "music")]
        rows += _effects(table)
    return rows


def is_audiocaps(data: Path) -> bool:
    """Whether a table is one of AudioCaps, or a folder holds its training table."""
    table = data / "train.csv" if data.is_dir() else data
    try:
        with table.open(encoding="utf-8") as file:
            return {*_AUDIOCAPS} <= {*next(csv.reader(file), [])}
    except (OSError, UnicodeDecodeError):
        return False


def read_audiocaps(data: Path) -> list[Row]:
    """The captioned clips of AudioCaps (Kim et al. 2019): the table, and ``YOUTUBE_ID.wav`` beside it.

    A clip may also be called ``YOUTUBE_ID_START.wav`` or ``AUDIOCAP_ID.wav``, and lie in a sub-folder
    ``audio`` or one of the table's name. Videos vanish: rows without a file are left out, and counted.

    Raises:
        ConfigError: there is no file for any row.
    """
    table = data / "train.csv" if data.is_dir() else data
    with table.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    places = [table.parent, table.parent / "audio", table.parent / table.stem]
    files = {path.stem: path for place in reversed(places) for path in sorted(place.glob("*.wav"))}
    rows = []
    for row in listed:
        start = row["start_time"]
        names = (f"{row['youtube_id']}_{start}", row["youtube_id"], row["audiocap_id"])
        found = next((files[name] for name in names if name in files), None)
        if found is not None and row["caption"].strip():
            rows.append(Row(found, row["audiocap_id"], "event", row["caption"].strip().lower()))
    if not rows:
        raise ConfigError(f"{table}: none of its {len(listed)} clips lies beside it as YOUTUBE_ID.wav")
    if len(rows) < len(listed):
        logger.warning("%s: %d of its %d clips are not there", table, len(listed) - len(rows), len(listed))
    return rows


def _dnr_tables(data: Path) -> Iterator[Path]:
    yield from (data / "tr").glob(f"*/{ANNOTATIONS}")
    if data.name == "tr":
        yield from data.glob(f"*/{ANNOTATIONS}")


def _effects(table: Path) -> list[Row]:
    """The events of one mixture, each with the words of all that overlap it."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            events = [
                (float(row["mix start time"]), float(row["mix end time"]), _words(row["annotation"]))
                for row in csv.DictReader(file)
                if row["class"] not in {"speech", "music"}
            ]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{table}: not DnR's table, which has class, mix start time, mix end time, annotation ({error!r})"
        ) from error
    rows = []
    for start, stop, words in events:
        if stop - start >= _SHORTEST_S:
            heard = dict.fromkeys(other for begin, end, other in events if begin < stop and end > start)
            caption = ", ".join(heard)
            rows.append(Row(table.parent / "sfx.wav", words, "event", caption, start_s=start, stop_s=stop))
    return rows


def _words(annotation: str) -> str:
    """ "Dog_bark," as words."""
    words = " ".join(annotation.rstrip(",").replace("_", " ").lower().split())
    return words or "sfx"
