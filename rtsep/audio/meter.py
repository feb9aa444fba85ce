"""Peak and RMS level of a block, in decibels relative to full scale."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOOR_DB = -120.0
"""What silence reads; 20 bits of a 24-bit file lie above it."""


@dataclass(frozen=True)
class Level:
    """The level of one channel over one block, both in dB relative to an amplitude of 1.0."""

    peak_db: float
    rms_db: float


def decibels(amplitude: float) -> float:
    """An amplitude (1.0 is full scale) in dB, at least :data:`FLOOR_DB`."""
    return max(FLOOR_DB, 20.0 * math.log10(amplitude)) if amplitude > 0.0 else FLOOR_DB


def measure(block: NDArray[np.float32]) -> tuple[Level, ...]:
    """The level of each channel of a block.

    Args:
        block: (n, channels); n may be 0, which reads as silence.

    Returns:
        One :class:`Level` a channel.
    """
    if len(block) == 0:
        return (Level(FLOOR_DB, FLOOR_DB),) * int(block.shape[1])
    peaks: list[float] = np.abs(block).max(axis=0).tolist()
    # Squares in double: a long block of loud samples would lose the quiet ones in single precision.
    means: list[float] = np.sqrt(np.mean(np.square(block, dtype=np.float64), axis=0)).tolist()
    return tuple(Level(decibels(peak), decibels(mean)) for peak, mean in zip(peaks, means, strict=True))
