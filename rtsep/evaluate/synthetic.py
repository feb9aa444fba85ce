"""Sounds made from nothing but numbers, so that a demonstration needs no recording of anyone's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]


def rain(sample_rate: int, seconds: float) -> Wave:
    """A hiss of drops too many to count, and single ones that ring."""
    random = np.random.default_rng(1)
    count = round(sample_rate * seconds)
    hiss = _band(random.standard_normal(count), sample_rate, 400, 9000)
    ring = np.arange(sample_rate // 60) / sample_rate
    drop = np.exp(-400 * ring) * np.sin(2 * np.pi * 3400 * ring)
    drops = np.where(random.random(count) < 60 / sample_rate, random.standard_normal(count), 0)
    return 0.3 * hiss + np.convolve(drops, drop)[:count]


def flute(sample_rate: int, seconds: float) -> Wave:
    """A tune of eight notes, with vibrato and a little breath."""
    time = np.arange(round(sample_rate * seconds)) / sample_rate
    tune = np.array([523.3, 587.3, 659.3, 784.0, 659.3, 587.3, 523.3, 440.0])
    note, within = np.divmod(time, 0.5)
    frequency = tune[note.astype(int) % len(tune)] * (1 + 0.006 * np.sin(2 * np.pi * 5 * time))
    phase = 2 * np.pi * np.cumsum(frequency) / sample_rate
    tone = np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase)
    breath = 0.02 * np.random.default_rng(4).standard_normal(len(time))
    envelope = np.clip(20 * within, 0, 1) * np.clip(20 * (0.5 - within), 0, 1)
    notes: Wave = (tone + breath) * envelope
    return notes


def bass_drum(sample_rate: int, seconds: float) -> Wave:
    """A beat every half second: a sine that falls in pitch and dies away."""
    time = np.arange(round(sample_rate * seconds)) / sample_rate % 0.5
    sweep: Wave = 50 * time + 3 * (1 - np.exp(-30 * time))
    beat: Wave = np.sin(2 * np.pi * sweep) * np.exp(-12 * time)
    return beat


SOUNDS: dict[str, Callable[[int, float], Wave]] = {"rain": rain, "flute": flute, "bass drum": bass_drum}
"""By the words that name them."""


def _band(wave: Wave, sample_rate: int, low_hz: float, high_hz: float) -> Wave:
    """Only what lies between two frequencies."""
    spectrum = np.fft.rfft(wave)
    frequency = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    band: Wave = np.fft.irfft(spectrum * ((frequency > low_hz) & (frequency < high_hz)), len(wave))
    return band
