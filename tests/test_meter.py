import numpy as np
import pytest

from rtsep.audio.meter import FLOOR_DB, decibels, measure
from rtsep.control import Level


def test_a_full_scale_square_wave_reads_zero_decibels_in_peak_and_rms() -> None:
    block = np.where(np.arange(64) % 2, 1.0, -1.0).astype(np.float32)[:, None]
    assert measure(block) == (Level(0.0, 0.0, clipped=64),)


def test_a_sine_reads_three_decibels_less_in_rms_than_in_peak() -> None:
    sine = np.sin(2 * np.pi * np.arange(4800) / 48).astype(np.float32)
    (level,) = measure(0.5 * sine[:, None])
    assert level.peak_db == pytest.approx(-6.02, abs=0.01)
    assert level.rms_db == pytest.approx(-9.03, abs=0.01)


def test_channels_are_measured_apart() -> None:
    block = np.zeros((10, 2), np.float32)
    block[:, 1] = 0.1
    left, right = measure(block)
    assert left == Level(FLOOR_DB, FLOOR_DB)
    assert right.peak_db == pytest.approx(-20.0, abs=1e-4)


def test_silence_and_no_samples_at_all_read_the_floor() -> None:
    assert measure(np.zeros((0, 2), np.float32)) == (Level(FLOOR_DB, FLOOR_DB),) * 2
    assert decibels(1e-9) == FLOOR_DB


def test_samples_at_full_scale_and_above_are_counted_by_channel() -> None:
    block = np.full((10, 3), 0.5, np.float32)
    block[2:5, 0] = 1.0, -1.0, 0.9999999
    block[7, 2] = -3.0
    assert [level.clipped for level in measure(block)] == [3 if np.float32(0.9999999) >= 1 else 2, 0, 1]


def test_an_untouched_level_reads_the_floor() -> None:
    assert Level() == Level(FLOOR_DB, FLOOR_DB, 0)
