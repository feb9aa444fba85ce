"""What ``--data`` may be: a table of clips, or a folder of labelled audio."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from rtsep.errors import ConfigError
from rtsep.train.published_sets import is_audiocaps, is_dnr, read_audiocaps, read_dnr
from rtsep.train.row import Row

__all__ = ["SUFFIXES", "Row", "read_rows"]

SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".opus", ".oga", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
)
"""Files that count as audio in a folder."""


def read_rows(data: Path) -> list[Row]:
    """The clips of a data set.

    Args:
        data: a CSV with the columns ``path`` (relative to its folder), ``label`` and, if there are any,
            ``category`` and ``caption``; or a folder that holds one such CSV; or a folder of audio, where
            the sub-folder of each file names its label ("dog_barking/1.wav"); or DnR's folder or AudioCaps'
            table as published, see ``rtsep.train.published_sets``.

    Raises:
        ConfigError: there is no such data, or a row or file has no label.
    """
    if is_dnr(data):
        return read_dnr(data)
    if is_audiocaps(data):
        return read_audiocaps(data)
    if not data.is_dir():
        return list(_table(data))
    tables = sorted(data.glob("*.csv"))
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise ConfigError(f"{data} holds several tables ({names}): name one of them")
    return list(_table(tables[0])) if tables else _folder(data)


def _table(table: Path) -> Iterator[Row]:
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the table of clips {table}: {error}") from error
    if not rows or not {"path", "label"} <= rows[0].keys():
        raise ConfigError(f"{table}: no rows with the columns 'path' and 'label'")
    for number, row in enumerate(rows, start=2):
        if not row["path"] or not (row["label"] or "").strip():
            raise ConfigError(f"{table}, line {number}: path or label is missing")
        category, caption = row.get("category") or "event", row.get("caption") or ""
        yield Row(table.parent / row["path"], row["label"], category, caption, row.get("group") or "")


def _folder(folder: Path) -> list[Row]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise ConfigError(
            f"{folder} holds no table of clips and no audio in sub-folders named for their labels"
        )
    rows = []
    for path in files:
        label = path.relative_to(folder).parts[0].replace("_", " ").strip()
        if path.parent == folder or not label:
            raise ConfigError(f"{path} lies in no sub-folder: the sub-folder of a clip names its label")
        rows.append(Row(path, label))
    return rows
