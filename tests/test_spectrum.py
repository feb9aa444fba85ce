"""The picture of the sound: a tone stands where it is, as loud as it is."""

from __future__ import annotations

import numpy as np
import pytest

from rtsep.audio.spectrum import BANDS, BYTE_DB, SIZE, band_levels


def tone(frequency: float, amplitude: float, rate: int = 48_000, samples: int = SIZE) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency / rate * np.arange(samples)))[:, None].astype(np.float32)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("amplitude", [1.0, 0.01])
def test_a_tone_reads_its_level_in_one_band_and_higher_tones_stand_higher(
    rate: int, amplitude: float
) -> None:
    places = []
    for frequency in (300, 1000, 3000, 9000):
        levels = np.frombuffer(band_levels(tone(frequency, amplitude, rate), rate), np.uint8)
        assert len(levels) == BANDS
        assert int(levels.max()) - BYTE_DB == pytest.approx(20 * np.log10(amplitude), abs=2.0)
        places.append(int(levels.argmax()))
    assert places == sorted(set(places))


def test_only_the_last_samples_count_and_channels_are_averaged() -> None:
    loud_before = np.concatenate([tone(1000, 1.0), tone(1000, 0.001)])
    assert band_levels(loud_before, 48_000) == band_levels(tone(1000, 0.001), 48_000)
    opposite = np.concatenate([tone(1000, 0.5), -tone(1000, 0.5)], axis=1)
    assert max(band_levels(opposite, 48_000)) == 0


def test_silence_and_no_samples_read_nothing() -> None:
    assert band_levels(np.zeros((SIZE, 2), np.float32), 48_000) == bytes(BANDS)
    assert band_levels(np.zeros((0, 1), np.float32), 48_000) == bytes(BANDS)
