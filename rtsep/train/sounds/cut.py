"""Clips of a recording: mono, silence cut off at both ends, at most ten seconds each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soxr

from rtsep.errors import ConfigError
from rtsep.train.pool import Samples

Wave = np.ndarray[Any, np.dtype[np.float32]]

LONGEST_S = 10.0
SHORTEST_S = 0.12
MOST_CLIPS = 4
"""Clips of one recording: a loop of ten minutes is no more than one thing that sounds."""

SILENCE_DB = -45.0
"""Under the loudest frame: what is quieter at an end is cut off."""

FRAME_S = 0.01
PEAK = 0.7
FAINT = 1e-3
"""A recording whose peak is below this is silence."""


def read_clips(path: Path, sample_rate: int) -> list[Samples]:
    """Clips of one recording, each with its peak at ``PEAK``; none where it is silent or too short.

    Args:
        path: audio file; of a long one only what the clips are cut from is read.
        sample_rate: samples a second of the clips.

    Raises:
        ConfigError: it cannot be read.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            seconds = file.frames / file.samplerate
            count = min(MOST_CLIPS, max(1, int(seconds / LONGEST_S)))
            room = max(0.0, seconds - LONGEST_S)
            waves = []
            for number in range(count):
                file.seek(round(room * number / max(1, count - 1) * file.samplerate))
                wave = file.read(round(LONGEST_S * file.samplerate), dtype="float32", always_2d=True)
                waves.append(soxr.resample(wave.mean(axis=1), file.samplerate, sample_rate))
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    return [clip for wave in waves for clip in tidied(wave, sample_rate)]


def tidied(wave: Wave, sample_rate: int) -> list[Samples]:
    """The one clip that a wave (samples,) is, without silence at its ends; none where nothing is left."""
    clip = trim(wave, round(FRAME_S * sample_rate))
    return [level(clip)] if len(clip) >= SHORTEST_S * sample_rate else []


def level(wave: Wave) -> Samples:
    """A wave with its peak at ``PEAK``, as int16."""
    scaled: Samples = (wave * (32767 * PEAK / np.abs(wave).max())).round().astype(np.int16)
    return scaled


def trim(wave: Wave, frame: int) -> Wave:
    """A wave without the frames at its ends that are silent; nothing of one that is silent altogether."""
    if not len(wave) or np.abs(wave).max() < FAINT:
        return wave[:0]
    power = np.add.reduceat(wave.astype(np.float64) ** 2, np.arange(0, len(wave), frame))
    loud = np.flatnonzero(power > power.max() * 10 ** (SILENCE_DB / 10))
    return wave[loud[0] * frame : (loud[-1] + 1) * frame]
