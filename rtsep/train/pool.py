"""The pool: all training clips decoded once into one int16 array, beside a table of what is where."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.train.table import Row, read_rows

Samples = np.ndarray[Any, np.dtype[np.int16]]


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
    group: str = ""
    """Clips of one recording have one; empty for a recording of its own."""


@dataclass(frozen=True)
class Pool:
    """All clips of a data set."""

    samples: Samples
    """(samples,), mono, every clip after the other; memory-mapped."""
    clips: tuple[Clip, ...]
    sample_rate: int

    @property
    def hours(self) -> float:
        """Length of all clips together."""
        return sum(clip.length for clip in self.clips) / self.sample_rate / 3600


def open_pool(data: Path, cache: Path, sample_rate: int) -> Pool:
    """The pool of a data set, decoded on first use and kept under ``cache``.

    Args:
        data: a table of clips or a folder, see ``read_rows``.
        cache: folder for the decoded samples.
        sample_rate: samples a second of the pool; clips of another rate are resampled.

    Raises:
        ConfigError: there is no such data, or a file cannot be read.
    """
    rows = read_rows(data)
    key = hashlib.sha256(_state_of(rows, sample_rate).encode()).hexdigest()[:16]
    samples_path, clips_path = cache / f"pool-{key}.npy", cache / f"pool-{key}.json"
    if not clips_path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        decoded = decode_rows(rows, sample_rate)
        # Whole or not at all: another process may do the same. Clips last, as the sign that all is there.
        partial = cache / f"pool-{key}.{os.getpid()}.part"
        with partial.open("wb") as file:
            np.save(file, np.concatenate(decoded))
        partial.replace(samples_path)
        partial.write_text(json.dumps([asdict(clip) for clip in place(rows, map(len, decoded))]))
        partial.replace(clips_path)
    clips = tuple(Clip(**clip) for clip in json.loads(clips_path.read_text()))
    return Pool(np.load(samples_path, mmap_mode="r"), clips, sample_rate)


def place(rows: Iterable[Row], lengths: Iterable[int]) -> tuple[Clip, ...]:
    """Clips one after the other."""
    clips, start = [], 0
    for row, length in zip(rows, lengths, strict=True):
        clips.append(Clip(row.label, row.caption, row.category, start, length, row.group))
        start += length
    return tuple(clips)


def recordings(clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
    """Which recording of its label each clip is of, (clips,), and what it is worth, (clips,), float64.

    All clips of a recording together are worth the root of their number: more than one, since they differ,
    but less than as many recordings.
    """
    numbers: dict[object, int] = {}
    named = ((clip.label, clip.group or number) for number, clip in enumerate(clips))
    of = torch.tensor([numbers.setdefault(each, len(numbers)) for each in named])
    return of, of.bincount()[of].double() ** -0.5


def decode_rows(rows: Sequence[Row], sample_rate: int) -> list[Samples]:
    """Decode clips, each file once, however many of them it holds.

    Raises:
        ConfigError: a file cannot be read, or a clip holds no sound.
    """
    files = list(dict.fromkeys(row.path for row in rows))
    whole = dict(zip(files, decode_all(files, sample_rate), strict=True))
    found = []
    for row in rows:
        stop = None if row.stop_s is None else round(row.stop_s * sample_rate)
        found.append(whole[row.path][round(row.start_s * sample_rate) : stop])
        if len(found[-1]) < 2:
            raise ConfigError(f"{row.path} holds no sound from {row.start_s:g} s on")
    return found


def decode_all(files: Sequence[Path | BinaryIO], sample_rate: int) -> list[Samples]:
    """Decode files on all processors.

    Raises:
        ConfigError: one cannot be read.
    """
    with ThreadPoolExecutor() as executor:
        found = executor.map(lambda file: decode(file, sample_rate), files)
        return list(track(found, "decoding the pool", total=len(files), transient=True))


def decode(file: Path | BinaryIO, sample_rate: int) -> Samples:
    """One audio file, its channels averaged, at ``sample_rate``, (samples,).

    Raises:
        ConfigError: it cannot be read, is empty, or the library for it is missing.
    """
    try:
        import soundfile

        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        if rate != sample_rate:
            import soxr

            mono = soxr.resample(mono, rate, sample_rate)
    except ImportError as error:
        raise ConfigError(f"decoding {file} needs {error.name}, which is not installed") from error
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    if len(mono) < 2:
        raise ConfigError(f"{file} holds no sound")
    whole: Samples = (mono.clip(-1, 1) * 32767).round().astype(np.int16)
    return whole


def _state_of(rows: Sequence[Row], sample_rate: int) -> str:
    """Everything that a decoded pool depends on: another clip of the same name is another pool."""
    parts = [str(sample_rate)]
    for row in rows:
        path = row.path.resolve()
        changed = path.stat().st_mtime_ns if path.exists() else None
        parts.append(f"{path} {changed} {row.label} {row.category} {row.caption} {row.group}")
        if row.stop_s is not None:
            parts.append(f"{row.start_s} {row.stop_s}")
    return "\n".join(parts)
