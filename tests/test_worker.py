"""The worker: orders before the next samples, and a status that tells the truth."""

from __future__ import annotations

import numpy as np
import pytest
from builders import noise, random_films, tiny_separator, transparent_separator

from rtsep.control import Console, ResetCounts, Status
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmTable
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline
from rtsep.worker import PEAK_FALL_DB_S, Change, Worker

RATE = 48_000
SEPARATOR = tiny_separator()
FILMS = FilmTable(zip("abcdefgh", random_films(SEPARATOR, 8), strict=True))


def condition(console: Console) -> Condition:
    return Condition.of(console, FILMS, SEPARATOR.film_head.out.out_features)


def worker(console: Console, separator: Separator = SEPARATOR, channels: int = 1) -> Worker:
    return Worker(Pipeline(separator, condition(console), RATE, channels), console, Status(separator="here"))


def test_the_status_knows_what_was_promised_before_the_first_sample() -> None:
    status = worker(Console.of("a")).status
    assert (status.prompt, status.separator, status.sample_rate, status.seconds) == ("a", "here", RATE, 0)


def test_orders_are_taken_in_order_with_the_next_samples() -> None:
    made = worker(Console.of("a"))
    for number in range(5):
        console = Console.of("b").turned("gain", number)
        made.orders.put(Change(console, condition(console), f"preset {number}"))
    assert made.status.prompt == "a"
    made.process(noise(100))
    assert made.status.console == made.pipeline.console == Console.of("b").turned("gain", 4.0)
    assert made.status.preset == "preset 4"


def test_the_console_that_is_heard_already_changes_no_bit() -> None:
    console = Console.of("ab", "c").turned("prompt/2/gain", -3.0).turned("gain", 2.0)
    plain, again = worker(console), worker(console)
    x = noise(30_000)
    for start in range(0, len(x), 512):
        again.orders.put(Change(console, condition(console)))
        chunk = x[start : start + 512]
        assert np.array_equal(again.process(chunk), plain.process(chunk))


def test_what_acts_on_the_result_leaves_the_model_alone() -> None:
    console = Console.of("ab")
    plain, turned = worker(console), worker(console)
    x = noise(20_000)
    plain.process(x[:10_000]), turned.process(x[:10_000])
    quiet = console.turned("gain", -20.0)
    turned.orders.put(Change(quiet, condition(quiet)))
    loud, soft = plain.process(x[10_000:]), turned.process(x[10_000:])
    ramp = 600
    assert np.abs(soft[ramp:] - 0.1 * loud[ramp:]).max() <= 1e-6


def test_a_peak_falls_slowly_and_an_rms_follows_at_once() -> None:
    made = worker(Console.of("a"))
    burst = np.zeros((4800, 1), np.float32)
    burst[100] = 0.5
    made.process(burst)
    assert made.status.level_in.peak_db == pytest.approx(-6.02, abs=0.01)
    for number in range(1, 11):
        made.process(np.zeros((4800, 1), np.float32))
        assert made.status.level_in.rms_db == -120
        expected = -6.02 - PEAK_FALL_DB_S * 0.1 * number
        assert made.status.level_in.peak_db == pytest.approx(expected, abs=0.01)


def test_the_louder_channel_is_shown_and_the_clipped_samples_of_both_are_counted() -> None:
    made = worker(Console.of("a"), channels=2)
    block = np.full((1000, 2), 0.1, np.float32)
    block[:, 1] = 0.5
    block[10:13, 0], block[500, 1] = 1.0, -1.5
    made.process(block), made.process(block)
    level = made.status.level_in
    assert level.clipped == 8
    assert level.peak_db == pytest.approx(20 * np.log10(1.5), abs=0.01)
    assert level.rms_db == pytest.approx(20 * np.log10(np.sqrt(np.square(block[:, 1]).mean())), abs=0.01)
    made.process(0 * block)  # what is still on its way out is clipped as well
    made.orders.put(ResetCounts())
    made.process(0 * block)
    assert made.status.level_in.clipped == made.status.level_out.clipped == 0


def test_the_output_is_metered_at_its_gain() -> None:
    console = Console.of("a").turned("gain", -20.0)
    made = worker(console, transparent_separator())
    for _ in range(10):
        made.process(np.full((4800, 1), 0.5, np.float32) * np.sign(noise(4800)))
    assert made.status.level_out.rms_db == pytest.approx(-26.02, abs=0.2)


def test_dropouts_are_counted_from_the_last_reset() -> None:
    made = worker(Console.of("a"))
    made.process(noise(100), 3)
    assert made.status.dropouts == 3
    made.orders.put(ResetCounts())
    made.process(noise(100), 5)
    assert made.status.dropouts == 0
    made.process(noise(100), 7)
    assert made.status.dropouts == 2


def test_time_hops_and_bad_samples_add_up() -> None:
    made = worker(Console.of("a"))
    x = noise(1000)
    x[:7] = np.nan
    for _ in range(48):
        made.process(x)
    made.process(x[:0])
    status = made.status
    assert (status.seconds, status.bad_samples) == (1.0, 7 * 48)
    assert status.hops == made.pipeline.hops > 0
    assert 0 < status.load < 1000
    assert made.busy_s > 0
