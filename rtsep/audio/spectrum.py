"""A picture of the sound for a panel: the level in each of 64 bands, as bytes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS = 64
SIZE = 2048
"""Samples that a spectrum looks at."""

LOWEST_HZ, HIGHEST_HZ = 20.0, 20_000.0
BYTE_DB = 120
"""A byte is the level in dBFS plus this, 0 to 120."""


def band_levels(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """The level in each band of the last ``SIZE`` samples; a full-scale sine reads 0 dBFS in its band.

    Args:
        samples: (n, channels), averaged; fewer than ``SIZE`` are filled up with silence.
        sample_rate: samples a second.

    Returns:
        ``BANDS`` bytes, low to high, evenly spaced on the mel scale (Stevens, Volkmann and Newman 1937; the
        formula with 2595 and 700 is O'Shaughnessy's, "Speech Communication", 1987).
    """
    window, edges = _shape(sample_rate)
    wave = np.zeros(SIZE, np.float32)
    last = samples[-SIZE:].mean(axis=1) if len(samples) else samples[:0, 0]
    wave[SIZE - len(last) :] = np.nan_to_num(last)
    power = np.square(np.abs(np.fft.rfft(wave * window)))
    # The strongest bin of a band, so that a sine reads the same in a narrow band and in a wide one.
    peaks = np.maximum.reduceat(power, edges) / (window.sum() / 2) ** 2
    levels = 10 * np.log10(peaks + 1e-13) + BYTE_DB
    found: bytes = np.rint(levels.clip(0, BYTE_DB)).astype(np.uint8).tobytes()
    return found


@cache
def _shape(sample_rate: int) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """The window, and the first bin of each band."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, min(HIGHEST_HZ, sample_rate / 2.1)))
    edges_hz = 700 * (10 ** (np.linspace(low, high, BANDS + 1)[:-1] / 2595) - 1)
    bins = np.round(edges_hz / sample_rate * SIZE).astype(int)
    for band in range(1, BANDS):  # every band has a bin of its own
        bins[band] = max(bins[band], bins[band - 1] + 1)
    return np.hanning(SIZE + 1)[:-1], bins
