import math

import pytest

from rtsep.audio.alignment import Alignment, Placement
from rtsep.audio.prefill import prefill_samples
from rtsep.audio.resample import Ratio


def test_in_the_steady_state_everything_written_is_queued_as_it_is() -> None:
    alignment = Alignment(512, 256)
    for _ in range(5):
        assert alignment.place(256) == [Placement(0, 0, 256)]
    assert (alignment.dropouts, alignment.lost_samples) == (0, 0)


def test_after_an_underrun_what_comes_too_late_is_dropped() -> None:
    alignment = Alignment(100, 50)
    alignment.place(100)
    alignment.play_ended(200)
    alignment.play_from(250)
    # Sample 100 was due at 200; the first that can still be played in time is sample 150.
    assert alignment.place(30) == [Placement(0, 30, 30)]
    assert alignment.place(50) == [Placement(0, 20, 50)]
    assert (alignment.dropouts, alignment.lost_samples) == (1, 50)


def test_a_hole_is_filled_with_zeros_so_that_what_follows_is_in_time() -> None:
    alignment = Alignment(100, 50)
    alignment.play_ended(100)
    alignment.forgo(120)
    alignment.play_from(150)
    assert alignment.place(10) == [Placement(70, 0, 10)]
    assert (alignment.dropouts, alignment.lost_samples) == (3, 120)


def test_a_start_later_than_expected_is_made_good_at_the_next_write() -> None:
    alignment = Alignment(100, 50)
    alignment.play_ended(100)
    alignment.play_from(150)
    assert alignment.place(100) == [Placement(0, 50, 100)]
    alignment.play_started(150, 200)
    assert alignment.place(100) == [Placement(0, 50, 100)]
    assert alignment.place(100) == [Placement(0, 0, 100)]


def test_samples_after_a_capture_overflow_are_played_relative_to_their_own_capture() -> None:
    alignment = Alignment(100, 50)
    alignment.captured_from(80, 1080)
    assert alignment.place(100) == [Placement(0, 0, 80), Placement(1000, 80, 100)]


def test_what_the_ring_refused_is_missing_and_replaced_by_zeros() -> None:
    alignment = Alignment(0, 50)
    alignment.place(100)
    alignment.refused(40)
    assert alignment.place(10) == [Placement(40, 0, 10)]
    assert alignment.lost_samples == 40


def test_a_block_silent_in_two_places_counts_once() -> None:
    alignment = Alignment(0, 100)
    alignment.silent_until(20)
    alignment.silent_until(60)
    assert (alignment.dropouts, alignment.lost_samples) == (1, 60)
    alignment.silent_until(201)
    assert alignment.dropouts == 3


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="prefill"):
        Alignment(-1, 256)


@pytest.mark.parametrize("block", [32, 64, 100, 256, 441, 480, 512, 1024, 2048])
@pytest.mark.parametrize("hop", [1, 240, 256, 320, 441, 480, 960])
@pytest.mark.parametrize("lag", [1, 2, 3])
def test_for_hops_the_prefill_is_the_closed_form(block: int, hop: int, lag: int) -> None:
    expected = hop - math.gcd(block, hop) + lag * block
    assert prefill_samples(block, lag, lambda n: n // hop * hop, hop) == expected


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("block", [32, 256, 1000])
def test_with_resamplers_and_a_delay_the_prefill_is_enough_and_the_least(rate: int, block: int) -> None:
    down, up = Ratio.between(rate, 24000), Ratio.between(24000, rate)
    hop = 240

    def emitted(count: int) -> int:
        return up.available(max(0, down.available(count) - 120) // hop * hop)

    period = math.lcm(hop * rate // math.gcd(hop * rate, 24000), down.down)
    prefill = prefill_samples(block, 1, emitted, period)
    spare = [prefill + emitted(c * block) - (c + 1) * block for c in range(3 * period // block + 200)]
    assert min(spare) == 0


def test_a_chain_that_breaks_its_promise_is_refused() -> None:
    with pytest.raises(ValueError, match="does not repeat"):
        prefill_samples(100, 1, lambda n: n // 2, 100)
    with pytest.raises(ValueError, match="gave nothing"):
        prefill_samples(1 << 16, 1, lambda _: 0, 100)
    with pytest.raises(ValueError, match="at least 1"):
        prefill_samples(256, 0, lambda n: n, 1)
