"""The pool: all training clips decoded once into one int16 array, beside a table of what is where."""

from __future__ import annotations

import csv
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from rich.progress import track

from rtsep.errors import ConfigError


@dataclass(frozen=True)
class Clip:
    """One labelled clip of the pool."""

    label: str
    caption: str
    category: str
    start: int
    """First sample in the pool."""
    length: int
    """Samples."""


@dataclass(frozen=True)
class Pool:
    """All clips of a data set."""

    samples: np.ndarray[Any, np.dtype[np.int16]]
    """(samples,), mono, every clip after the other; memory-mapped."""
    clips: tuple[Clip, ...]
    sample_rate: int

    @property
    def hours(self) -> float:
        """Length of all clips together."""
        return sum(clip.length for clip in self.clips) / self.sample_rate / 3600


def open_pool(table: Path, cache: Path, sample_rate: int) -> Pool:
    """The pool of a table of clips, decoded on first use and kept under ``cache``.

    Args:
        table: CSV with the columns ``path`` (relative to the table's folder), ``label`` and, if there
            are any, ``category`` and ``caption``.
        cache: folder for the decoded samples.
        sample_rate: samples a second of the pool; clips of another rate are resampled.

    Raises:
        ConfigError: the table is missing, has no such columns, or names a file that cannot be read.
    """
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the table of clips {table}: {error}") from error
    _check(table, rows)
    key = hashlib.sha256(_state_of(table, rows, sample_rate).encode()).hexdigest()[:16]
    samples_path, clips_path = cache / f"pool-{key}.npy", cache / f"pool-{key}.json"
    if not clips_path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _decode(table, rows, sample_rate, samples_path, clips_path)
    clips = tuple(Clip(**clip) for clip in json.loads(clips_path.read_text()))
    return Pool(np.load(samples_path, mmap_mode="r"), clips, sample_rate)


def _check(table: Path, rows: list[dict[str, str]]) -> None:
    if not rows or not {"path", "label"} <= rows[0].keys():
        raise ConfigError(f"{table}: no rows with the columns 'path' and 'label'")
    for number, row in enumerate(rows, start=2):
        if not row["path"] or not row["label"]:
            raise ConfigError(f"{table}, line {number}: path or label is missing")


def _state_of(table: Path, rows: list[dict[str, str]], sample_rate: int) -> str:
    """Everything that a decoded pool depends on: another clip of the same name is another pool."""
    parts = [str(sample_rate)]
    for row in rows:
        path = (table.parent / row["path"]).resolve()
        changed = path.stat().st_mtime_ns if path.exists() else None
        parts.append(f"{path} {changed} {row}")
    return "\n".join(parts)


def _decode(
    table: Path, rows: list[dict[str, str]], sample_rate: int, samples_path: Path, clips_path: Path
) -> None:
    """Decode every row's file; the table of clips is written last, as the sign that all is there."""

    def read(row: dict[str, str]) -> np.ndarray[Any, np.dtype[np.int16]]:
        path = table.parent / row["path"]
        try:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        except (OSError, soundfile.LibsndfileError) as error:
            raise ConfigError(f"{table}: cannot read {path}: {error}") from error
        mono = (
            soxr.resample(samples.mean(axis=1), rate, sample_rate)
            if rate != sample_rate
            else samples.mean(axis=1)
        )
        whole: np.ndarray[Any, np.dtype[np.int16]] = (mono.clip(-1, 1) * 32767).round().astype(np.int16)
        return whole

    with ThreadPoolExecutor() as executor:
        decoded = list(track(executor.map(read, rows), "decoding the pool", total=len(rows)))
    clips, start = [], 0
    for row, samples in zip(rows, decoded, strict=True):
        category, caption = row.get("category") or "event", row.get("caption") or ""
        clips.append(asdict(Clip(row["label"], caption, category, start, len(samples))))
        start += len(samples)
    np.save(samples_path, np.concatenate(decoded))
    clips_path.write_text(json.dumps(clips))
