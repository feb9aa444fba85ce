import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from rtsep.audio.resample import Ratio, Resampler

MODEL = 24000
DEVICE_RATES = (44100, 48000, 88200, 96000)
PAIRS = [pair for rate in DEVICE_RATES for pair in ((rate, MODEL), (MODEL, rate))]
ODD_PAIRS = [(8000, 24000), (24000, 16000), (192000, 8000), (11025, 24000), (24000, 22050)]


def pieces(rng: np.random.Generator, total: int) -> list[slice]:
    borders = np.sort(rng.integers(0, total + 1, 40))
    return [slice(a, b) for a, b in itertools.pairwise([0, *borders.tolist(), total])]


def sine(rate: int, frequency: float, count: int) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * frequency * np.arange(count) / rate).astype(np.float32)[:, None]


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS + ODD_PAIRS)
def test_the_result_does_not_depend_on_the_chunking(rate_in: int, rate_out: int) -> None:
    rng = np.random.default_rng(1)
    signal = rng.uniform(-1, 1, (rate_in // 4, 2)).astype(np.float32)
    whole = Resampler(rate_in, rate_out, 2).push(signal)
    resampler = Resampler(rate_in, rate_out, 2)
    chunked = np.concatenate([resampler.push(signal[piece]) for piece in pieces(rng, len(signal))])
    assert len(chunked) == len(whole) > 0
    assert np.abs(chunked - whole).max() <= 1e-6


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS + ODD_PAIRS)
def test_the_number_of_samples_given_out_is_the_one_foretold(rate_in: int, rate_out: int) -> None:
    resampler = Resampler(rate_in, rate_out, 1)
    pushed = given = 0
    for count in [0, 1, 2, 3, 50, 1, 0, 127, 64, 1, 1, 1, 999, 5]:
        given += len(resampler.push(np.zeros((count, 1), np.float32)))
        pushed += count
        assert given == resampler.ratio.available(pushed)


@pytest.mark.parametrize(("rate_in", "rate_out"), [*PAIRS, *ODD_PAIRS, (48000, 48000)])
def test_needed_is_the_least_input_for_so_much_output(rate_in: int, rate_out: int) -> None:
    ratio = Ratio.between(rate_in, rate_out)
    for n_out in range(1, 500):
        assert ratio.available(ratio.needed(n_out)) >= n_out
        assert ratio.available(ratio.needed(n_out) - 1) < n_out


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_sine_in_the_pass_band_lies_at_the_same_time_after_resampling(rate_in: int, rate_out: int) -> None:
    for frequency in (100.0, 5000.0, 10700.0):
        output = Resampler(rate_in, rate_out, 1).push(sine(rate_in, frequency, rate_in // 10))
        expected = sine(rate_out, frequency, len(output))
        settled = slice(rate_out // 400, None)
        # 0.1 dB is 0.0116; a shift of one sample at 10.7 kHz would be more than 0.6.
        assert np.abs(output - expected)[settled].max() < 0.0116


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_the_stop_band_is_sixty_decibels_down_from_the_lower_nyquist_frequency_on(
    rate_in: int, rate_out: int
) -> None:
    """Going down, a tone above 12 kHz vanishes; going up, a tone below leaves no image above."""
    window = np.hanning(rate_out // 5)
    for offset in (10.0, 500.0, 1400.0):
        tone = MODEL / 2 + offset if rate_in > rate_out else MODEL / 2 - offset
        output = Resampler(rate_in, rate_out, 1).push(sine(rate_in, tone, rate_in))[-len(window) :, 0]
        spectrum = np.abs(np.fft.rfft(output * window)) / (0.5 * window.sum())
        frequencies = np.fft.rfftfreq(len(window), 1 / rate_out)
        stopped = spectrum if rate_in > rate_out else spectrum[frequencies > MODEL / 2 + offset / 2]
        assert 20 * np.log10(stopped.max()) < -60.0


def test_a_constant_stays_the_same_constant() -> None:
    for rate_in, rate_out in PAIRS:
        output = Resampler(rate_in, rate_out, 1).push(np.ones((rate_in // 20, 1), np.float32))
        assert np.abs(output[rate_out // 400 :] - 1.0).max() < 2e-6


def test_down_and_up_again_holds_back_less_than_two_reaches_and_shifts_nothing() -> None:
    down, up = Resampler(48000, MODEL, 1), Resampler(MODEL, 48000, 1)
    signal = sine(48000, 1000.0, 4800)
    output = up.push(down.push(signal))
    assert 0 < len(signal) - len(output) < down.ratio.reach + up.ratio.reach
    assert np.abs(output - signal[: len(output)])[200:].max() < 2e-3


def test_each_way_holds_back_two_milliseconds_at_most() -> None:
    for rate_in, rate_out in PAIRS:
        ratio = Ratio.between(rate_in, rate_out)
        assert ratio.needed(1) / rate_in <= 0.002


def test_equal_rates_pass_everything_through_unchanged() -> None:
    signal = np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype(np.float32)
    resampler = Resampler(44100, 44100, 2)
    assert np.array_equal(resampler.push(signal), signal)
    assert resampler.ratio.available(123) == 123


def test_reset_goes_back_to_time_zero() -> None:
    resampler = Resampler(44100, MODEL, 1)
    signal = np.random.default_rng(0).uniform(-1, 1, (500, 1)).astype(np.float32)
    first = resampler.push(signal)
    resampler.reset()
    assert np.array_equal(resampler.push(signal), first)


def test_after_days_of_samples_the_phase_is_still_exact() -> None:
    resampler, late = Resampler(44100, MODEL, 1), Resampler(44100, MODEL, 1)
    signal = np.random.default_rng(0).uniform(-1, 1, (4410, 1)).astype(np.float32)
    expected = resampler.push(signal)
    cycles = 10**15  # 88 000 years: far beyond what a float clock or 64 bits of ticks would bear
    late._given += cycles * late.ratio.up
    late._start += cycles * late.ratio.down
    assert np.array_equal(late.push(signal), expected)
    assert late._kept.shape[1] <= 2 * late._taps.shape[1]


def test_a_reach_beyond_two_milliseconds_is_refused() -> None:
    with pytest.raises(ValueError, match="2 ms"):
        Resampler(48000, MODEL, 1, reach=97)
    with pytest.raises(ValueError, match="positive"):
        Ratio.between(0, MODEL)
