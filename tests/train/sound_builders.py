"""Sounds that are alike only to themselves, in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 24000
NOBODY = "soundfonts = []\n[melodic]\n[drums]\n"
"""Instruments of which none is played."""


def clatter(seconds: float, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Bursts of noise in bands that change every 50 ms, as no other seed has them."""
    chance = np.random.default_rng(seed)
    pieces = []
    for _ in range(round(seconds / 0.05)):
        spectrum = np.fft.rfft(chance.standard_normal(RATE // 20))
        low = chance.integers(1, 100)
        spectrum[:low] = spectrum[low + 40 :] = 0
        pieces.append(np.fft.irfft(spectrum) * chance.uniform(0.05, 1))
    wave = np.concatenate(pieces)
    return (wave / np.abs(wave).max() * 0.5).astype(np.float32)


def written(path: Path, wave: np.ndarray[tuple[int], np.dtype[np.float32]], rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)
    return path
