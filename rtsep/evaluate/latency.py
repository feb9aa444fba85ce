"""Declared against measured latency, to the sample, through the fake device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.fake import FakeDevice
from rtsep.config import DEFAULT_RESERVE_MS
from rtsep.control import Console
from rtsep.engine import Engine
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmTable
from rtsep.models.separator import Separator


def measure_latency(
    separator: Separator, sample_rate: int, block: int, reserve_ms: float = DEFAULT_RESERVE_MS
) -> tuple[int, int]:
    """Send a burst of noise through a whole engine, with a mask of ones, and look when it comes back.

    Args:
        separator: the model.
        sample_rate: of the device.
        block: samples a callback.
        reserve_ms: as for the engine.

    Returns:
        Latency declared and latency measured, in samples of the device, without the converters.
    """
    burst = np.zeros((sample_rate, 1), np.float32)
    start, length = sample_rate // 4, sample_rate // 10
    noise = np.random.default_rng(0).standard_normal((length, 1))
    burst[start : start + length] = 0.1 * noise.astype(np.float32)
    device = FakeDevice(burst, sample_rate, block)
    # No prompt: the condition that measures is set by hand.
    engine = Engine(separator, FilmTable(), device, Console(), reserve_ms)
    engine.pipeline.set_condition(Condition.everything(separator.film_head.out.out_features))
    engine.open()
    while not device.exhausted:
        device.tick()
        engine.step()
    return engine.latency.engine, lag(burst[:, 0], device.played[:, 0])


def lag(sent: NDArray[np.float32], heard: NDArray[np.float32]) -> int:
    """Samples by which ``heard`` lags ``sent``, by the peak of their correlation."""
    size = 2 ** (len(sent) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))
