"""Peak and RMS level of a block, in decibels relative to full scale."""

import math

import numpy as np
from numpy.typing import NDArray

from rtsep.control import Level

FLOOR_DB = -120.0
"""What silence reads; 20 bits of a 24-bit file lie above it."""


def decibels(amplitude: float) -> float:
    """An amplitude (1.0 is full scale) in dB, at least :data:`FLOOR_DB`."""
    return max(FLOOR_DB, 20.0 * math.log10(amplitude)) if amplitude > 0.0 else FLOOR_DB


def measure(block: NDArray[np.float32]) -> tuple[Level, ...]:
    """The level of each channel of a block.

    Args:
        block: (n, channels); n may be 0, which reads as silence.

    Returns:
        One :class:`Level` a channel; ``clipped`` counts the block's samples at full scale or above.
    """
    if len(block) == 0:
        return (Level(FLOOR_DB, FLOOR_DB),) * int(block.shape[1])
    loud = np.abs(block)
    peaks: list[float] = np.maximum.reduce(loud, axis=0).tolist()
    clipped = (loud >= 1.0).sum(axis=0).tolist() if max(peaks) >= 1.0 else [0] * len(peaks)
    # Squares in double: a long block of loud samples would lose the quiet ones in single precision.
    energies: list[float] = np.add.reduce(np.square(block, dtype=np.float64), axis=0).tolist()
    return tuple(
        Level(decibels(peak), decibels(math.sqrt(energy / len(block))), over)
        for peak, energy, over in zip(peaks, energies, clipped, strict=True)
    )
